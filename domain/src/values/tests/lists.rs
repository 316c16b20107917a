use super::{is_stored_as, refusal_of};
use crate::ids::UserId;
use crate::testing::{ANNA, BEN, text};
use crate::values::{Assignees, Tag, Tags};
use serde_json::json;
use uuid::Uuid;

fn tags(count: usize) -> Vec<Tag> {
    (0..count).map(|n| text(&format!("tag {n}"))).collect()
}

fn people(count: u128) -> Vec<UserId> {
    (0..count).map(|n| UserId(Uuid::from_u128(n))).collect()
}

#[test]
fn a_task_has_at_most_fifty_tags() {
    assert_eq!(Tags::new(tags(50)).expect("fifty are allowed").iter().count(), 50);
    let refused = Tags::new(tags(51)).expect_err("fifty-one are too many");
    assert_eq!((refused.code, refused.message.as_str()), ("TOO_MANY_TAGS", "a task can have at most 50 tags; got 51"));
}

#[test]
fn a_tag_given_twice_counts_once() {
    let twice = tags(50).into_iter().chain(tags(50));
    assert_eq!(Tags::new(twice), Tags::new(tags(50)));
}

#[test]
fn the_same_tags_in_another_order_are_the_same_value() {
    let (b, a, capital) = (text::<Tag>("b"), text::<Tag>("a"), text::<Tag>("B"));
    let sorted = Tags::new([b.clone(), a.clone(), capital.clone()]).expect("three tags");
    assert_eq!(sorted.iter().collect::<Vec<_>>(), [&capital, &a, &b]);
    assert_eq!(Tags::new([capital, b, a]), Ok(sorted));
}

#[test]
fn a_task_has_at_most_fifty_assignees() {
    let full = Assignees::new(people(50)).expect("fifty are allowed");
    assert!(full.is_full());
    assert!(!full.clone().without(people(1)[0]).is_full());
    for refused in [Assignees::new(people(51)), full.with(ANNA)] {
        let refused = refused.expect_err("fifty-one are too many");
        assert_eq!((refused.code, refused.message.as_str()), ("TOO_MANY_ASSIGNEES", "a task can have at most 50 assignees"));
    }
}

#[test]
fn an_assignee_given_twice_counts_once() {
    let twice = people(50).into_iter().chain(people(50));
    assert_eq!(Assignees::new(twice), Assignees::new(people(50)));
}

#[test]
fn assignees_keep_the_order_of_their_assignment() {
    let both = Assignees::new([BEN, ANNA, BEN]).expect("two people");
    assert_eq!(both.iter().collect::<Vec<_>>(), [BEN, ANNA]);
    assert_eq!(both.clone().without(BEN).iter().collect::<Vec<_>>(), [ANNA]);
    assert!(both.contains(ANNA));
    assert!(!both.without(ANNA).contains(ANNA));
}

#[test]
fn stored_lists_come_in_by_the_same_door() {
    is_stored_as(&Tags::new([text("b"), text("a")]).expect("two tags"), &json!(["a", "b"]));
    is_stored_as(&Assignees::new([BEN, ANNA]).expect("two people"), &json!([BEN, ANNA]));
    assert!(refusal_of::<Tags>(json!(tags(51))).contains("got 51"));
    assert!(refusal_of::<Assignees>(json!(people(51))).contains("at most 50"));
    refusal_of::<Assignees>(json!(["anna"]));
}
