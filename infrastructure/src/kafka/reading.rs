//! Reads partitions to their ends.

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};
use thiserror::Error;

const POLL_WITHIN: Duration = Duration::from_millis(100);

/// Partitions could not be read to their ends.
#[derive(Debug, Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    #[error("brokers sent nothing for {} s before the end of a partition", .0.as_secs())]
    Silent(Duration),
}

/// Gives each record of some partitions of one topic to somebody who may break off, from the offsets on that the list names to their
/// ends, as the consumer sees them. Brokers may be silent for so long.
pub(super) fn read_to_ends<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: &TopicPartitionList,
    silence: Duration,
    take: impl FnMut(&BorrowedMessage<'_>) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    consumer.assign(partitions)?;
    let read = read_assigned(consumer, partitions, silence, take);
    // Also after an error: whoever uses the consumer next is to get nothing of this.
    consumer.unassign()?;
    read
}

fn read_assigned<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: &TopicPartitionList,
    silence: Duration,
    mut take: impl FnMut(&BorrowedMessage<'_>) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    // By number: where records come meanwhile, the end of a partition is told again.
    let mut open: HashSet<i32> = partitions.elements().iter().map(|element| element.partition()).collect();
    let mut last_heard = Instant::now();
    while !open.is_empty() {
        match consumer.poll(POLL_WITHIN) {
            None if last_heard.elapsed() > silence => return Err(ReadError::Silent(silence)),
            None => continue,
            Some(Ok(message)) if take(&message).is_break() => break,
            Some(Ok(_)) => {}
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                open.remove(&partition);
            }
            Some(Err(error)) => return Err(error.into()),
        }
        last_heard = Instant::now();
    }
    Ok(())
}
