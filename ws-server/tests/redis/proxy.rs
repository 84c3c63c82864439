//! A proxy before a server, whose connections fail on request.

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
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
    let (mut commands, mut to_client) = client.into_split();
    let (mut answers, mut to_server) = server.into_split();
    let mut answering = flow.clone();
    let pass_on = async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(len @ 1..) = answers.read(&mut buffer).await {
            let passes = answering.wait_for(|flow| !flow.holds_answers || flow.cuts != cuts);
            let is_cut = passes.await.is_ok_and(|flow| flow.cuts != cuts);
            if is_cut || to_client.write_all(&buffer[..len]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = copy(&mut commands, &mut to_server) => {}
        () = pass_on => {}
        _ = flow.wait_for(|flow| flow.cuts != cuts) => {}
    }
}
