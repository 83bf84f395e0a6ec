//! The picture that a wallet's camera reads: read back here as a camera would.

use contracts::{
    asset::Units,
    messages::{LegState, PaymentSeen},
};
use rqrr::PreparedImage;

use crate::{
    neighbour::{Neighbour, reaches, units},
    world::World,
};

/// What a picture says: its dark rectangles painted on a canvas, and that looked at.
fn read(svg: &str) -> String {
    let (_, size) = svg.split_once("width=\"").unwrap();
    let size: usize = size.split_once('"').unwrap().0.parse().unwrap();
    let (_, path) = svg.split_once(" d=\"").unwrap();
    let path = path.split_once('"').unwrap().0;
    let mut dark = vec![vec![false; size]; size];
    for rectangle in path.split('M').skip(1) {
        let numbers = rectangle.split(|c: char| !c.is_ascii_digit()).filter(|n| !n.is_empty());
        let numbers: Vec<usize> = numbers.map(|n| n.parse().unwrap()).collect();
        let [left, top, width, height, ..] = numbers[..] else { panic!("{rectangle}") };
        for line in &mut dark[top..top + height] {
            line[left..left + width].fill(true);
        }
    }
    let mut image = PreparedImage::prepare_from_bitmap(size, size, |x, y| dark[y][x]);
    let found = image.detect_grids();
    assert_eq!(found.len(), 1, "one code is in the picture");
    found[0].decode().unwrap().1
}

/// Row: C2
#[tokio::test(flavor = "multi_thread")]
async fn the_picture_says_what_the_link_says_and_that_is_what_is_still_missing() {
    let world = World::new().await;
    world.app.hear();
    world.app.listening().await;
    let (booking_id, quote) = world.booked("acct_1").await;
    let mut neighbour = Neighbour::of(&world, booking_id).await;
    neighbour.prepared().await;
    neighbour.leg(&quote, 1, LegState::Held { reference: "R1".to_owned(), until: None }).await;
    let shown = reaches(&world, booking_id, "awaiting_payment").await;
    let picture = async || {
        let path = format!("/v1/bookings/{booking_id}/qr");
        read(std::str::from_utf8(&world.get("acct_1", &path).await.bytes).unwrap())
    };
    let to = "ethereum:0x00000000000000000000000000000000000000aa@31337?value=";
    assert_eq!(shown["payment"]["uri"], format!("{to}{}", units()));
    assert_eq!(picture().await, format!("{to}{}", units()));

    let received = Units::parse("1000").unwrap();
    let (booking, payment_id) = (neighbour.booking_id, neighbour.payment_id);
    let seen = PaymentSeen {
        booking_id: booking,
        payment_id,
        seq: 2,
        received,
        complete: false,
        seen_at: chrono::Utc::now(),
    };
    neighbour.say(&seen).await;
    let missing = units().saturating_sub(received);
    let shown = testkit::until("the rest is asked for", || async {
        let shown = world.get("acct_1", &format!("/v1/bookings/{booking_id}")).await.json();
        (shown["payment"]["remaining"] == missing.to_string()).then_some(shown)
    })
    .await;
    assert_eq!(shown["payment"]["uri"], format!("{to}{missing}"));
    assert_eq!(picture().await, format!("{to}{missing}"));
}
