//! A gateway for devices. Devices authenticate with bearer tokens instead of cookies, and speak one
//! of two versions of a protocol. A `start` function chooses the handler.
//!
//! The device `boiler` has the token `b0iler-t0ken`, and `pump` has `pump.t0ken`. To connect as a
//! device:
//!
//! ```sh
//! cargo run --example devices
//! websocat -H 'Authorization: Bearer b0iler-t0ken' --protocol v1.devices \
//!     ws://127.0.0.1:3030/devices/boiler
//! ```
//!
//! and type `temperature 21.5`. With `--protocol v2.devices`, a device sends JSON:
//! `{"type": "reading", "id": 1, "name": "temperature", "value": 21.5}`, and receives
//! `{"type": "ack", "id": 1}`. A browser sends its token as a subprotocol:
//! `new WebSocket(url, ["v2.devices", "bearer", "pump.t0ken"])`.
//!
//! `GET /api/devices` returns the readings of the devices, and `/` shows them. A command reaches a
//! connected device in the format of its protocol version:
//!
//! ```sh
//! curl -H 'Content-Type: application/json' -d '{"interval": 5}' \
//!     http://127.0.0.1:3030/api/devices/boiler
//! ```
//!
//! A real gateway would store only hashes of the tokens, and authenticate its operators too.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use examples::{OptionSet, Options, announce};
use serde::{Deserialize, Serialize};
use warp::Filter;
use warp::http::StatusCode;
use ws_server::extract::Bearer;
use ws_server::prelude::*;

/// The first line of `--help`.
const ABOUT: &str =
    "A gateway for devices with bearer tokens and two protocol versions. Open / in a browser.";

/// The largest number of different readings that are kept of one device.
const MAX_READINGS: usize = 16;

/// The longest name of a reading, in bytes.
const MAX_NAME_LENGTH: usize = 32;

/// The owner of each token.
#[derive(Clone)]
struct Tokens(Arc<BTreeMap<&'static str, &'static str>>);

impl Tokens {
    /// Checks that the token belongs to the device in the path.
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

/// The state of one device.
#[derive(Clone, Default, Serialize)]
struct Status {
    connections: usize,
    version: &'static str,
    /// Seconds between two readings, as confirmed by the device.
    interval: Option<NonZeroU16>,
    readings: BTreeMap<String, f64>,
}

/// All devices that have ever connected. The JSON routes read them, and the handlers write them.
#[derive(Clone, Default)]
struct Devices(Arc<Mutex<BTreeMap<String, Status>>>);

impl Devices {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Status>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(self, id: String, version: &'static str) -> Device {
        let mut all = self.lock();
        let status = all.entry(id.clone()).or_default();
        status.connections += 1;
        status.version = version;
        drop(all);
        Device { devices: self, id }
    }
}

/// One connection of a device, in either version. Dropping it removes the connection from the
/// status.
struct Device {
    devices: Devices,
    id: String,
}

impl Device {
    fn with_status<T>(&self, change: impl FnOnce(&mut Status) -> T) -> Option<T> {
        self.devices.lock().get_mut(&self.id).map(change)
    }

    /// Stores a reading if it is valid.
    fn store(&self, name: &str, value: f64) -> Result<(), &'static str> {
        if name.is_empty() || name.len() > MAX_NAME_LENGTH || !value.is_finite() {
            return Err("a reading needs a name of 1 to 32 bytes and a finite value");
        }
        let kept = self.with_status(|status| {
            let known = status.readings.contains_key(name);
            let fits = known || status.readings.len() < MAX_READINGS;
            if fits {
                status.readings.insert(name.to_owned(), value);
            }
            fits
        });
        kept.filter(|fits| *fits)
            .map(|_| ())
            .ok_or("the device has too many different readings")
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

/// A command from an operator: `{"interval": 5}`.
#[derive(Clone, Serialize, Deserialize)]
struct Command {
    interval: NonZeroU16,
}

/// The topic for the commands to one device. Its handlers listen, and encode each command for their
/// protocol version.
fn commands(device: &str) -> Topic<Command> {
    Topic::local(format!("device:{device}"))
}

/// The handler of version 2: JSON.
struct V2(Device);

/// A message from a device, in version 2.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Report {
    Reading { id: u64, name: String, value: f64 },
    Interval { id: u64, seconds: NonZeroU16 },
}

/// A message to a device, in version 2.
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
        socket.listen(commands(&id));
        Ok(V2(devices.connect(id, "v2")))
    }

    fn message(&mut self, Json(report): Json<Report>) -> Json<Answer> {
        let (id, result) = match report {
            Report::Reading { id, name, value } => (id, self.0.store(&name, value)),
            Report::Interval { id, seconds } => {
                self.0.confirm(seconds);
                (id, Ok(()))
            }
        };
        Json(match result {
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

/// The handler of version 1: lines with a name and a value.
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
        socket.listen(commands(&id));
        Ok(V1(devices.connect(id, "v1")))
    }

    fn message(&mut self, line: String) -> String {
        let result = match line.trim().split_once(' ') {
            Some(("interval", seconds)) => seconds
                .parse()
                .map(|seconds| self.0.confirm(seconds))
                .map_err(|_| "the interval must be a number of seconds from 1 to 65535"),
            Some((name, value)) => {
                let value = value.parse().map_err(|_| "the value must be a number");
                value.and_then(|value| self.0.store(name, value))
            }
            None => Err("a line must have a name and a value"),
        };
        result.map_or_else(|why| format!("error {why}"), |()| "ok".to_owned())
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

/// The application's state; each handler extracts the parts that it needs.
#[derive(Clone, FromRef)]
struct App {
    tokens: Tokens,
    devices: Devices,
}

dispatch! {
    struct Routes;
    state: App;

    // There are no cookies, so a page of another site cannot act for a visitor: every origin may
    // connect.
    device: "/devices/{id}" => V2 {
        require_session: false, origins: any,
        protocols: ["v2.devices", "v1.devices"], start: by_version,
        max_message: 4 KiB, rate: 50/s,
    };
}

#[ws_server::main]
async fn main() -> examples::Result<()> {
    tracing_subscriber::fmt().init();
    let options = Options::from_command_line(ABOUT, OptionSet::Listen)?;
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
            move |id: String, command| match hub.publish(commands(&id), &command).reached() {
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
