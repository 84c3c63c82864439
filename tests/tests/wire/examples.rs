//! The examples as processes, checked against their documentation.

use std::process::Output;

#[cfg(target_os = "linux")]
use command_fds::{CommandFdExt, FdMapping};
use tokio::process::Command;
use ws_tests::{Example, program};

use crate::browser::Browser;
#[cfg(target_os = "linux")]
use crate::certificates::Directory;
use crate::client::{BINARY, Client, Frame, close, frame, upgrade, within};

/// Like [`Example::start`], with a limit on open files.
async fn start_with_files(name: &str, files: u32) -> Example {
    let mut shell = Command::new("bash");
    let program = program(name).await;
    let script = format!("ulimit -n {files}; exec \"$0\" \"$@\"");
    shell.arg("-c").arg(script).arg(program);
    Example::run(shell, &[]).await
}

async fn open(example: &Example, path: &str) -> Client {
    Client::open(example.address, path).await
}

pub(crate) async fn get(example: &Example, path: &str) -> (u16, Option<String>, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", example.address);
    let (head, body) = Client::ask(example.address, &request).await;
    (
        head.status,
        head.header("content-type").map(str::to_owned),
        body,
    )
}

/// Runs an example that exits by itself, and returns its output.
async fn output_of(name: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program(name).await);
    let output = command.args(arguments).kill_on_drop(true).output();
    within("the example ends", output).await.unwrap()
}

#[tokio::test]
async fn the_greeter_sends_the_messages_of_its_documentation() {
    let greeter = Example::start("greeter", &[]).await;
    let mut client = open(&greeter, "/socket/without-session").await;
    assert_eq!(client.text().await, "Hello!");
    client.send_text("x").await;
    assert_eq!(client.text().await, "You said: x");
    assert_eq!(client.text().await, "Hello again!");
    client.send(close(1000, "")).await;
    assert_eq!(client.close_frame().await.0, 1000);
    client.end().await;
}

#[tokio::test]
async fn the_greeters_private_route_requires_a_session_and_its_page_opens_one() {
    let greeter = Example::start("greeter", &[]).await;
    let (head, _) = Client::ask(greeter.address, &upgrade("/socket/custom", &[])).await;
    assert_eq!(head.status, 403);
    let mut browser = Browser::new(greeter.address);
    let page = browser.get("/").await;
    let (_, id) = page.split_once("data-page=\"").expect("the page has an id");
    let (id, _) = id.split_once('"').unwrap();
    assert_eq!(browser.cookie("z_pid"), id);
    let mut client = browser.open(&format!("/socket/custom?z_pid={id}")).await;
    assert_eq!(client.text().await, "Hello!");
    let (status, kind, _) = get(&greeter, "/").await;
    assert_eq!(
        (status, kind.as_deref()),
        (200, Some("text/html; charset=utf-8"))
    );
    assert_eq!(get(&greeter, "/socket/without-session").await.0, 426);
    assert_eq!(get(&greeter, "/nothing").await.0, 404);
}

#[cfg(unix)]
#[tokio::test]
async fn a_sigterm_closes_the_sockets_and_the_greeter_exits_with_success() {
    let mut greeter = Example::start("greeter", &[]).await;
    let mut client = open(&greeter, "/socket/without-session").await;
    client.send_text("x").await;
    assert_eq!(client.text().await, "You said: x");
    greeter.terminate().await;
    assert_eq!(client.close_frame().await.0, 1001);
    client.send(close(1001, "")).await;
    client.end().await;
    assert_eq!(greeter.ended().await.code(), Some(0));
}

#[tokio::test]
async fn an_address_in_use_ends_an_example_with_an_error_that_contains_it() {
    let first = Example::start("echo", &[]).await;
    let address = first.address.to_string();
    for name in [
        "greeter", "echo", "mount", "chat", "stream", "devices", "secure",
    ] {
        let output = output_of(name, &["--listen", &address]).await;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{name}: {error}");
        assert!(
            error.contains(&format!("cannot listen on {address}: ")),
            "{name}: {error}"
        );
        let output = output_of(name, &["--nonsense"]).await;
        assert_eq!(output.status.code(), Some(1), "{name}");
    }
}

#[tokio::test]
async fn help_lists_the_options_and_exits_with_success() {
    for name in [
        "greeter", "echo", "mount", "chat", "stream", "devices", "secure",
    ] {
        let output = output_of(name, &["--help"]).await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{name}: {text}");
        let usage = format!("Usage: {name} [OPTIONS]");
        let listen = "--listen ADDR  the address to listen on [default: 127.0.0.1:3030]";
        for part in [&usage, listen, "-h, --help"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(text.contains("--workers N"), name == "echo", "{text}");
    }
}

/// If a page has no icon, browsers request `/favicon.ico` and get 404.
#[tokio::test]
async fn the_pages_of_the_examples_have_an_icon_that_their_policy_allows() {
    for name in ["greeter", "mount", "chat", "stream", "devices"] {
        let example = Example::start(name, &[]).await;
        let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", example.address);
        let (head, page) = Client::ask(example.address, &request).await;
        assert!(
            page.contains("<link rel=\"icon\" href=\"data:image/svg+xml,"),
            "{name}"
        );
        if let Some(policy) = head.header("content-security-policy") {
            assert!(policy.contains("img-src data:;"), "{name}: {policy}");
        }
    }
}

#[tokio::test]
async fn echo_echoes_and_fans_out() {
    for arguments in [
        &[][..],
        &["--workers", "1"],
        &["--workers", "2", "--guarded"],
    ] {
        let echo = Example::start("echo", arguments).await;
        let mut client = open(&echo, "/echo").await;
        client.send_text("text").await;
        assert_eq!(client.text().await, "text");
        client.send(frame(BINARY, [0, 255])).await;
        assert_eq!(client.frame().await, Frame::whole(BINARY, &[0, 255]));
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(open(&echo, "/fanout").await);
        }
        clients[0].send_text("to all clients").await;
        for client in &mut clients {
            assert_eq!(client.text().await, "to all clients");
        }
    }
}

#[tokio::test]
async fn echo_lifts_the_limit_per_address_unless_it_is_guarded() {
    for (arguments, status) in [(&[][..], 101), (&["--guarded"], 429)] {
        let echo = Example::start("echo", arguments).await;
        let mut clients = Vec::new();
        for _ in 0..256 {
            clients.push(open(&echo, "/echo").await);
        }
        let (head, _) = Client::ask(echo.address, &upgrade("/echo", &[])).await;
        assert_eq!(head.status, status, "{arguments:?}");
    }
}

/// If the system is out of file descriptors, the server waits until some are free.
#[cfg(unix)]
#[tokio::test]
async fn a_server_accepts_again_when_file_descriptors_are_free() {
    let echo = start_with_files("echo", 32).await;
    let mut clients = Vec::new();
    for _ in 0..60 {
        let mut client = Client::connect(echo.address).await;
        client.send(upgrade("/echo", &[])).await;
        clients.push(client);
    }
    // More than there are file descriptors: the last one is accepted only after others have closed.
    let mut last = clients.pop().unwrap();
    assert_eq!(clients[0].head().await.status, 101);
    clients.clear();
    assert_eq!(last.head().await.status, 101);
    last.send_text("here").await;
    assert_eq!(last.text().await, "here");
    let mut next = open(&echo, "/echo").await;
    next.send_text("as ever").await;
    assert_eq!(next.text().await, "as ever");
}

pub(crate) async fn post(example: &Example, path: &str, body: &str) -> u16 {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         \r\n{body}",
        body.len()
    );
    Client::ask(example.address, &request).await.0.status
}

/// systemd passes a socket that it has bound, and waits until the service is ready.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_example_takes_the_socket_of_systemd_and_reports_that_it_is_ready() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let directory = Directory::new();
    let path = directory.file("notify");
    let notified = tokio::net::UnixDatagram::bind(&path).unwrap();
    let mut shell = Command::new("sh");
    let script = "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\"";
    shell.args(["-c", script]).arg(program("echo").await);
    shell.env("NOTIFY_SOCKET", &path);
    let inherited = FdMapping {
        parent_fd: socket.into(),
        child_fd: 3,
    };
    shell.fd_mappings(vec![inherited]).unwrap();
    let echo = Example::run(shell, &[]).await;
    assert_eq!(echo.address, address);
    let mut message = [0; 64];
    let length = within("READY", notified.recv(&mut message)).await.unwrap();
    assert_eq!(&message[..length], b"READY=1");
    let mut client = open(&echo, "/echo").await;
    client.send_text("text").await;
    assert_eq!(client.text().await, "text");
}
