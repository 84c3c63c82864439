//! A proxy before a server, whose connections fail on request.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use ws_server::redis::Redis;

/// Passes on bytes in both directions. Dropping it ends its connections.
pub(crate) struct Proxy {
    port: u16,
    flow: watch::Sender<Flow>,
    task: JoinHandle<()>,
}

#[derive(Clone, Copy, Default)]
struct Flow {
    holds_answers: bool,
    /// Connections from before the last cut end.
    cuts: u64,
    /// How long each answer takes.
    delay: Duration,
    /// Bytes per second of a connection's answers.
    rate: Option<u32>,
}

impl Proxy {
    /// A proxy before the server on this port.
    pub(crate) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let flow = watch::Sender::new(Flow::default());
        let receiver = flow.subscribe();
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(forward(client, server, receiver.clone()));
            }
        });
        Self { port, flow, task }
    }

    /// A handle to the server behind the proxy.
    pub(crate) fn redis(&self) -> Redis {
        Redis::new(&format!("redis://127.0.0.1:{}", self.port)).unwrap()
    }

    /// Passes on each answer so much later.
    pub(crate) fn delay_answers(&self, delay: Duration) {
        self.flow.send_modify(|flow| flow.delay = delay);
    }

    /// Passes on so many bytes of answers in a second, on each connection.
    pub(crate) fn limit_answers(&self, rate: u32) {
        self.flow.send_modify(|flow| flow.rate = Some(rate));
    }

    /// Passes on commands, but keeps all answers.
    pub(crate) fn hold_answers(&self) {
        self.flow.send_modify(|flow| flow.holds_answers = true);
    }

    /// Passes on the answers again.
    pub(crate) fn pass_answers(&self) {
        self.flow.send_modify(|flow| flow.holds_answers = false);
    }

    /// Ends all connections, with the answers that were kept, and passes on those of later ones.
    pub(crate) fn cut(&self) {
        self.flow.send_modify(|flow| {
            flow.holds_answers = false;
            flow.cuts += 1;
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

async fn forward(client: TcpStream, server: u16, mut flow: watch::Receiver<Flow>) {
    let cuts = flow.borrow().cuts;
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else {
        return;
    };
    let (mut commands, to_client) = client.into_split();
    let (mut answers, mut to_server) = server.into_split();
    let mut answering = flow.clone();
    let (answer, delayed) = mpsc::unbounded_channel();
    let pass_on = async move {
        let mut buffer = vec![0; 64 * 1024];
        let mut sent = Instant::now();
        while let Ok(len @ 1..) = answers.read(&mut buffer).await {
            let passes = answering.wait_for(|flow| !flow.holds_answers || flow.cuts != cuts);
            let is_cut = passes.await.is_ok_and(|flow| flow.cuts != cuts);
            let Flow { delay, rate, .. } = *answering.borrow();
            let takes = rate.map_or(Duration::ZERO, |rate| {
                Duration::from_secs(1) * u32::try_from(len).unwrap() / rate
            });
            sent = sent.max(Instant::now() + delay) + takes;
            if is_cut || answer.send((sent, buffer[..len].to_vec())).is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = copy(&mut commands, &mut to_server) => {}
        ((), ()) = async { tokio::join!(pass_on, write_delayed(to_client, delayed)) } => {}
        _ = flow.wait_for(|flow| flow.cuts != cuts) => {}
    }
}

async fn write_delayed(
    mut to_client: OwnedWriteHalf,
    mut delayed: mpsc::UnboundedReceiver<(Instant, Vec<u8>)>,
) {
    while let Some((due, answer)) = delayed.recv().await {
        sleep_until(due).await;
        if to_client.write_all(&answer).await.is_err() {
            return;
        }
    }
}
