//! A provider's gateway on this machine: it answers each request by what is in it, and keeps what came.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Status and JSON.
type Answers = dyn Fn(&Asked) -> (u16, String) + Send + Sync;

pub struct Gateway {
    pub address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Asked {
    /// Empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

impl Gateway {
    pub async fn start(answers: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> Gateway {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (asked, answers) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::new(answers) as Arc<Answers>);
        let kept = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&answers), Arc::clone(&kept)));
            }
        });
        Gateway { address, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(mut connection: TcpStream, answers: Arc<Answers>, kept: Arc<Mutex<Vec<Asked>>>) -> Option<()> {
    loop {
        let asked = read(&mut connection).await?;
        let (status, body) = answers(&asked);
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        let head = format!(
            "HTTP/1.1 {status} Told\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        connection.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await.ok()?;
    }
}

async fn read(connection: &mut TcpStream) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ').map(str::to_owned);
    let pairs = lines.filter_map(|line| line.split_once(':'));
    let headers: Vec<(String, String)> =
        pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let mut asked = Asked { method: first.next()?, target: first.next()?, headers, body: Vec::new() };
    asked.body = vec![0; asked.header("content-length").parse().unwrap_or_default()];
    connection.read_exact(&mut asked.body).await.ok()?;
    Some(asked)
}
