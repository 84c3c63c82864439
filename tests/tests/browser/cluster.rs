//! The chat on two servers, as its script starts it.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use crate::script;

const RUN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/cluster/run.sh");

/// The first of four free ports in a row.
fn free_ports() -> u16 {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        let next = |next| TcpListener::bind(("127.0.0.1", port.checked_add(next)?)).ok();
        if (1..4).map(next).collect::<Option<Vec<_>>>().is_some() {
            return port;
        }
    }
}

/// The script `run.sh`, which ends what it has started.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let stopped = Command::new("kill").arg(self.0.id().to_string()).status();
        // In a panic, another one would abort.
        if stopped.is_ok() {
            let _ = self.0.wait();
        }
    }
}

#[tokio::test]
async fn a_page_continues_on_the_other_server_when_either_is_killed() {
    let port = free_ports();
    let mut run = Command::new(RUN);
    run.env("PORT", port.to_string()).env("PAUSE", "8");
    run.env("SERVER", ws_tests::program("cluster").await);
    run.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut run = Running(run.spawn().unwrap());
    let mut lines = BufReader::new(run.0.stdout.take().unwrap()).lines();
    let (mut pids, mut url) = ([None, None], None);
    while pids.contains(&None) || url.is_none() {
        let line = lines.next().expect("the script runs").unwrap();
        for (pid, name) in pids.iter_mut().zip(["A", "B"]) {
            let shown = line.strip_prefix(&format!("Server {name} runs: kill -9 "));
            *pid = pid.take().or(shown.map(str::to_owned));
        }
        let shown = line.split(' ').find(|word| word.starts_with("http://"));
        url = url.or(shown.map(str::to_owned));
    }
    let [Some(a), Some(b)] = pids else {
        unreachable!("both were shown");
    };
    let (port_a, port_b) = ((port + 1).to_string(), (port + 2).to_string());
    let arguments = [&*url.unwrap(), &port_a, &a, &port_b, &b];
    script::run("cluster.mjs", &arguments).await;
}
