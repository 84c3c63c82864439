//! A gateway for devices: they prove themselves with bearer tokens, have no cookies, and
//! speak one of two versions of a protocol. A `start` function chooses the handler.
//!
//! `boiler` has the token `b0iler-t0ken`, `pump` has `pump.t0ken`. To be one of them:
//!
//! ```sh
//! cargo run --example devices
//! websocat -H 'Authorization: Bearer b0iler-t0ken' --protocol v1.devices \
//!     ws://127.0.0.1:3030/devices/boiler
//! ```
//!
//! and type `temperature 21.5`. With `--protocol v2.devices` it is JSON:
//! `{"type": "reading", "id": 1, "name": "temperature", "value": 21.5}`, which is answered
//! with `{"type": "ack", "id": 1}`. A browser sends its token among the subprotocols:
//! `new WebSocket(url, ["v2.devices", "bearer", "pump.t0ken"])`.
//!
//! `GET /api/devices` lists what the devices reported, and `/` shows it. A command reaches
//! a connected device in the words of its version:
//!
//! ```sh
//! curl -H 'Content-Type: application/json' -d '{"interval": 5}' \
//!     http://127.0.0.1:3030/api/devices/boiler
//! ```
//!
//! A real gateway would keep hashes of tokens, and ask operators who they are as well.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use examples::{Options, Takes, announce};
use serde::{Deserialize, Serialize};
use warp::Filter;
use warp::http::StatusCode;
use ws_server::prelude::*;

/// The first line of `--help`.
const ABOUT: &str =
    "Devices with bearer tokens, and two versions of their protocol. Open / in a browser.";

/// As many readings of different names are kept of one device.
const MOST_READINGS: usize = 16;

/// As many bytes has the name of a reading.
const LONGEST_NAME: usize = 32;

/// Whose token is whose.
#[derive(Clone)]
struct Tokens(Arc<BTreeMap<&'static str, &'static str>>);

impl Tokens {
    /// The device of a path must be the one that the token was given to.
    fn check(&self, bearer: &Bearer, device: &str) -> Result<(), Refusal> {
        match self.0.get(bearer.token()) {
            None => Err(Bearer::invalid()),
            Some(owner) if *owner != device => {
                Err(Refusal::FORBIDDEN.body("this token belongs to another device"))
            }
            Some(_) => Ok(()),
        }
    }
}

/// What is known of one device.
#[derive(Clone, Default, Serialize)]
struct Status {
    connections: usize,
    version: &'static str,
    /// Seconds between two readings, as the device has confirmed it.
    interval: Option<NonZeroU16>,
    readings: BTreeMap<String, f64>,
}

/// All devices that have been here. The JSON routes read it, the handlers write it.
#[derive(Clone, Default)]
struct Devices(Arc<Mutex<BTreeMap<String, Status>>>);

impl Devices {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Status>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(self, id: String, version: &'static str) -> Device {
        let mut all = self.lock();
        let status = all.entry(id.clone()).or_default();
        status.connections += 1;
        status.version = version;
        drop(all);
        Device { devices: self, id }
    }
}

/// One connected device, whatever its version. Where it is dropped, the device has gone.
struct Device {
    devices: Devices,
    id: String,
}

impl Device {
    fn with_status<T>(&self, change: impl FnOnce(&mut Status) -> T) -> Option<T> {
        self.devices.lock().get_mut(&self.id).map(change)
    }

    /// Keeps a reading, unless it makes no sense.
    fn read(&self, name: &str, value: f64) -> Result<(), &'static str> {
        if name.is_empty() || name.len() > LONGEST_NAME || !value.is_finite() {
            return Err("a reading has a short name and a number");
        }
        let kept = self.with_status(|status| {
            let known = status.readings.contains_key(name);
            let fits = known || status.readings.len() < MOST_READINGS;
            if fits {
                status.readings.insert(name.to_owned(), value);
            }
            fits
        });
        kept.filter(|fits| *fits)
            .map(|_| ())
            .ok_or("there are too many different readings")
    }

    fn confirm(&self, interval: NonZeroU16) {
        self.with_status(|status| status.interval = Some(interval));
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.with_status(|status| status.connections -= 1);
    }
}

/// What an operator wants of a device: `{"interval": 5}`.
#[derive(Clone, Serialize, Deserialize)]
struct Command {
    interval: NonZeroU16,
}

/// Where the commands for one device go. Its handlers listen, and pass them on in the
/// words of their version.
fn commands(device: &str) -> Topic<Command> {
    Topic::local(format!("device:{device}"))
}

/// The handler of the second version: JSON.
struct V2(Device);

/// What a device says in the second version.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Report {
    Reading { id: u64, name: String, value: f64 },
    Interval { id: u64, seconds: NonZeroU16 },
}

/// What it is told in the second version.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Answer {
    Ack { id: u64 },
    Refused { id: u64, why: &'static str },
    SetInterval { seconds: NonZeroU16 },
}

#[ws_handler]
impl V2 {
    fn init(
        Path(id): Path<String>,
        bearer: Bearer,
        State(tokens): State<Tokens>,
        State(devices): State<Devices>,
        socket: &Socket<Self>,
    ) -> Result<Self, Refusal> {
        tokens.check(&bearer, &id)?;
        socket.listen(&commands(&id));
        Ok(V2(devices.enter(id, "v2")))
    }

    fn message(&mut self, Json(report): Json<Report>) -> Json<Answer> {
        let (id, done) = match report {
            Report::Reading { id, name, value } => (id, self.0.read(&name, value)),
            Report::Interval { id, seconds } => {
                self.0.confirm(seconds);
                (id, Ok(()))
            }
        };
        Json(match done {
            Ok(()) => Answer::Ack { id },
            Err(why) => Answer::Refused { id, why },
        })
    }

    fn info(&mut self, command: Command) -> Json<Answer> {
        Json(Answer::SetInterval {
            seconds: command.interval,
        })
    }
}

/// The handler of the first version: lines of two words.
struct V1(Device);

#[ws_handler]
impl V1 {
    fn init(
        Path(id): Path<String>,
        bearer: Bearer,
        State(tokens): State<Tokens>,
        State(devices): State<Devices>,
        socket: &Socket<Self>,
    ) -> Result<Self, Refusal> {
        tokens.check(&bearer, &id)?;
        socket.listen(&commands(&id));
        Ok(V1(devices.enter(id, "v1")))
    }

    fn message(&mut self, line: String) -> String {
        let done = match line.trim().split_once(' ') {
            Some(("interval", seconds)) => seconds
                .parse()
                .map(|seconds| self.0.confirm(seconds))
                .map_err(|_| "an interval is a number of seconds"),
            Some((name, value)) => {
                let value = value.parse().map_err(|_| "the second word is a number");
                value.and_then(|value| self.0.read(name, value))
            }
            None => Err("a line has two words"),
        };
        done.map_or_else(|why| format!("error {why}"), |()| "ok".to_owned())
    }

    fn info(&mut self, command: Command) -> String {
        format!("interval {}", command.interval)
    }
}

/// Chooses the handler by the subprotocol.
fn by_version<R>(handshake: &Handshake) -> Start<R>
where
    V1: Handler<R>,
{
    match handshake.protocol() {
        Some("v2.devices") => Start::keep(),
        Some(_) => Start::with::<V1>(),
        None => Start::refuse(
            Refusal::BAD_REQUEST.body("offer the subprotocol v2.devices or v1.devices"),
        ),
    }
}

/// The state of the application; the handlers take the parts that they need.
#[derive(Clone, FromRef)]
struct App {
    tokens: Tokens,
    devices: Devices,
}

dispatch! {
    struct Routes;
    state: App;

    // No cookies, so no page can use those of a visitor: every origin may connect.
    device: "/devices/{id}" => V2 {
        require_session: false, origins: any,
        protocols: ["v2.devices", "v1.devices"], start: by_version,
        max_message: 4 KiB, rate: 50/s,
    };
}

#[ws_server::main]
async fn main() -> examples::Result<()> {
    tracing_subscriber::fmt().init();
    let options = Options::from_command_line(ABOUT, Takes::Listen)?;
    let tokens = [("b0iler-t0ken", "boiler"), ("pump.t0ken", "pump")];
    let app = App {
        tokens: Tokens(Arc::new(BTreeMap::from(tokens))),
        devices: Devices::default(),
    };
    let ws = Server::new(Routes::table()).state(app.clone()).build()?;

    let page = warp::path::end()
        .and(warp::get())
        .map(|| warp::reply::html(include_str!("page.html")));
    let list = warp::path!("api" / "devices")
        .and(warp::get())
        .map(move || warp::reply::json(&*app.devices.lock()));
    let hub = ws.hub();
    let command = warp::path!("api" / "devices" / String)
        .and(warp::post())
        .and(warp::body::content_length_limit(1024))
        .and(warp::body::json())
        .map(
            move |id: String, command| match hub.publish(&commands(&id), &command).reached() {
                0 => StatusCode::NOT_FOUND,
                _ => StatusCode::ACCEPTED,
            },
        );

    let listener = options.bind().await?;
    announce(&listener, "/")?;
    Ok(ws
        .serve_listener(ws.filter().or(page).or(list).or(command), listener)
        .await?)
}
