//! A client that costs little, so that what is measured is the server: HTTP/1.1 on a connection that stays open.

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// One connection to a GraphQL server.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    head: String,
    request: Vec<u8>,
    line: String,
    body: Vec<u8>,
}

impl Connection {
    /// To a host and port, signed in with a token.
    pub(crate) async fn open(address: &str, token: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: "
        );
        Ok(Self { stream: BufReader::new(stream), head, request: vec![], line: String::new(), body: vec![] })
    }

    /// Sends a body and gives the answer's, which must be one without errors.
    pub(crate) async fn post(&mut self, body: &str) -> Result<&str> {
        match self.ask(body).await? {
            (status, answer) if !status.contains(" 200 ") || answer.contains("\"errors\"") => bail!("{status}: {answer}"),
            (_, answer) => Ok(answer),
        }
    }

    /// Sends a body and gives the status and the body of the answer, whatever it is.
    pub(crate) async fn ask(&mut self, body: &str) -> Result<(String, &str)> {
        self.request.clear();
        self.request.extend_from_slice(self.head.as_bytes());
        self.request.extend_from_slice(format!("{}\r\n\r\n{body}", body.len()).as_bytes());
        self.stream.get_mut().write_all(&self.request).await?;
        let (mut status, mut length) = (String::new(), None);
        loop {
            self.line.clear();
            if self.stream.read_line(&mut self.line).await? == 0 {
                bail!("the server closed the connection");
            }
            let line = self.line.trim_end();
            match line.split_once(':') {
                _ if line.is_empty() => break,
                _ if status.is_empty() => line.clone_into(&mut status),
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = Some(value.trim().parse()?),
                _ => {}
            }
        }
        self.body.resize(length.context("the answer does not say how long it is")?, 0);
        self.stream.read_exact(&mut self.body).await?;
        Ok((status, std::str::from_utf8(&self.body)?))
    }
}
