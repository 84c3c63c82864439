use ws_server::prelude::*;

#[derive(PathParams)]
struct Seat {
    row: u8,
    seat: u8,
}

struct Ticket(Seat);

#[ws_handler]
impl Ticket {
    fn init(Path(seat): Path<Seat>, hub: &Hub) -> Self {
        let _ = hub;
        Ticket(seat)
    }

    fn message(&mut self, _: String) -> String {
        format!("{} {}", self.0.row, self.0.seat)
    }
}

dispatch! {
    struct Routes;

    whole: "/{row: u8}/{seat: u8}"                => Ticket;
    meant: "/halls/{_hall}/{row: u8}/{seat: u8}"  => Ticket;
    lost:  "/rooms/{room}/{row: u8}/{seat: u8}"   => Ticket;
}

fn main() {}
