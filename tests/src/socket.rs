//! WebSockets frame by frame (RFC 6455), for clients that no library lets one be: who never reads, or asks what
//! no client would.

use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;
use tokio::net::TcpSocket;

/// How long a message may take to come.
const MESSAGE_WITHIN: Duration = Duration::from_secs(30);
/// The frames that matter.
const TEXT: u8 = 0x1;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// A WebSocket to a node.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    asked: u64,
}

impl Socket {
    /// Opens one on this port of loopback, with these header lines besides the necessary ones.
    ///
    /// # Errors
    /// The node closes the connection, or answers with another status than 101: then that is in the error.
    pub fn open(port: u16, headers: &[&str]) -> io::Result<Self> {
        Self::upgrade(TcpStream::connect((Ipv4Addr::LOCALHOST, port))?, port, headers)
    }

    /// The same with a receive buffer of so many bytes: when it is full, the node has to wait.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_small(port: u16, bytes: u32) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(bytes)?;
        let stream = socket.connect((Ipv4Addr::LOCALHOST, port).into()).await?.into_std()?;
        stream.set_nonblocking(false)?;
        Self::upgrade(stream, port, &[])
    }

    fn upgrade(mut stream: TcpStream, port: u16, headers: &[&str]) -> io::Result<Self> {
        stream.set_read_timeout(Some(MESSAGE_WITHIN))?;
        let more: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let handshake = format!(
            "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
        );
        stream.write_all(handshake.as_bytes())?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.extend(byte);
        }
        match head.starts_with(b"HTTP/1.1 101") {
            true => Ok(Self { stream, asked: 0 }),
            false => Err(io::Error::other(String::from_utf8_lossy(&head).into_owned())),
        }
    }

    /// Sends a call, and does not wait for what comes of it; gives its id.
    ///
    /// # Errors
    /// The connection is closed.
    pub fn send(&mut self, method: &str, params: &Value) -> io::Result<u64> {
        self.asked += 1;
        let call = json!({"jsonrpc": "2.0", "id": self.asked, "method": method, "params": params});
        self.stream.write_all(&masked(TEXT, call.to_string().as_bytes()))?;
        Ok(self.asked)
    }

    /// Sends a text as it is.
    ///
    /// # Errors
    /// The connection is closed.
    pub fn send_text(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(&masked(TEXT, text.as_bytes()))
    }

    /// The next message, answering pings on the way.
    ///
    /// # Errors
    /// The connection is closed, nothing comes, or it is no JSON.
    pub fn receive(&mut self) -> io::Result<Value> {
        loop {
            let (opcode, payload) = self.frame()?;
            match opcode {
                TEXT => return serde_json::from_slice(&payload).map_err(io::Error::other),
                PING => self.stream.write_all(&masked(PONG, &payload))?,
                _ => {}
            }
        }
    }

    /// Calls a method and gives the whole answer, passing over notifications.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn call(&mut self, method: &str, params: &Value) -> io::Result<Value> {
        let id = self.send(method, params)?;
        loop {
            let message = self.receive()?;
            if message["id"] == id {
                return Ok(message);
            }
        }
    }

    fn frame(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head)?;
        let length = match head[1] & 0x7F {
            126 => {
                let mut length = [0; 2];
                self.stream.read_exact(&mut length)?;
                u64::from(u16::from_be_bytes(length))
            }
            127 => {
                let mut length = [0; 8];
                self.stream.read_exact(&mut length)?;
                u64::from_be_bytes(length)
            }
            short => u64::from(short),
        };
        let mut payload = Vec::new();
        (&mut self.stream).take(length).read_to_end(&mut payload)?;
        match payload.len() as u64 == length {
            true => Ok((head[0] & 0x0F, payload)),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// A frame as clients send it, with a mask of zeros.
fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        length @ 126..=0xFFFF => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}
