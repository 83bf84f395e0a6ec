//! The checks that need no reservation: who is let in, what is on sale, what is refused, limits.

use chrono::TimeDelta;
use suppliers::{Access, Answer, Ask, Known, Reserve, Sent};

use crate::{
    desk::{Desk, travellers},
    line::{Heard, NOBODY, now},
    said::{Fault, Said},
};

/// Look-ups sent at once to see how a limit is told.
const AT_ONCE: usize = 20;

/// The status of a look-up made with this access, a while ago.
async fn status_of(desk: &Desk<'_>, access: &Access, ago: TimeDelta) -> Result<u16, Fault> {
    let reference = desk.client_reference();
    let known = Known { client_reference: &reference, reference: None, handle: None };
    match desk.line.send(desk.line.dialect.lookup(access, now() - ago, &known)).await {
        Sent::Reply(reply) => Ok(reply.status),
        Sent::NotSent => Err(Fault::NotTested(format!("not tested: {NOBODY}"))),
        Sent::NoAnswer => Err(Fault::Seen("no answer".to_owned())),
    }
}

/// Whether this is turned away where what is rightly signed is not.
async fn turned_away(desk: &Desk<'_>, access: &Access, ago: TimeDelta) -> Said {
    let right = status_of(desk, &desk.line.access, TimeDelta::zero()).await?;
    if let 401 | 403 = right {
        let why = format!("not tested: what is rightly signed is turned away with {right} too");
        return Err(Fault::NotTested(why));
    }
    match status_of(desk, access, ago).await? {
        status @ (401 | 403) => Ok(format!("turned away with {status}")),
        status => Err(Fault::Seen(format!("answered with {status}"))),
    }
}

pub(super) async fn signature(desk: &Desk<'_>) -> Said {
    let wrong = Access {
        secret: "a-secret-that-nobody-gave-out".to_owned().into(),
        ..desk.line.access.clone()
    };
    turned_away(desk, &wrong, TimeDelta::zero()).await
}

pub(super) async fn clock(desk: &Desk<'_>) -> Said {
    let known = Known { client_reference: "REFERENCE", reference: None, handle: None };
    let signed = |ago: i64| {
        let at = now() - TimeDelta::minutes(ago);
        desk.line.dialect.lookup(&desk.line.access, at, &known).headers
    };
    if signed(0) == signed(60) {
        return Err(Fault::Skipped("nothing in a request says when it was signed".to_owned()));
    }
    turned_away(desk, &desk.line.access, TimeDelta::hours(1)).await
}

pub(super) async fn search(desk: &Desk<'_>) -> Said {
    let offers = desk.search().await?;
    Ok(format!("{} offers", offers.len()))
}

pub(super) async fn price_check(desk: &Desk<'_>) -> Said {
    let offers = desk.search().await?;
    let offer = offers.first().ok_or_else(|| "nothing is on sale".to_owned())?;
    let order = desk.order(offer).await?;
    Ok(format!("offered at {}, now at {}", offer.price, order.price))
}

pub(super) async fn unknown_reference(desk: &Desk<'_>) -> Said {
    let reference = desk.client_reference();
    let known = Known { client_reference: &reference, reference: None, handle: None };
    let heard = desk.line.exchange(&Ask::LookUp(known)).await;
    match heard.answer {
        Answer::NotFound => Ok("not found".to_owned()),
        _ => Err(unheard(&heard)),
    }
}

/// What an answer that was not expected comes to: nothing where nobody was let in.
fn unheard(heard: &Heard) -> Fault {
    match heard.answer {
        Answer::NotSent => Fault::NotTested(format!("not tested: {}", heard.told())),
        _ => Fault::Seen(heard.told()),
    }
}

pub(super) async fn broken_request(desk: &Desk<'_>) -> Said {
    let order = desk.holdable().await?;
    let reference = desk.client_reference();
    let travellers = travellers();
    let reserve = Reserve {
        client_reference: &reference,
        order: &order,
        travellers: &travellers,
        hold: true,
    };
    let request = desk.line.first(&Ask::Reserve(reserve)).ok_or_else(|| "no request".to_owned())?;
    let whole = request.body.as_deref().unwrap_or_default();
    let half = whole.get(..whole.len() / 2).unwrap_or_default().to_vec();
    let line = desk.line;
    let request = line.dialect.with_body(&line.access, now(), request, half);
    desk.ledger.sends(&reference);
    let status = match line.send(request).await {
        // Who was not let in was not read.
        Sent::Reply(reply) if [401, 403].contains(&reply.status) => {
            return Err(Fault::Seen(format!("turned away with {}", reply.status)));
        }
        Sent::Reply(reply) => reply.status,
        Sent::NotSent | Sent::NoAnswer => return Err(Fault::Seen("no answer".to_owned())),
    };
    let known = Known { client_reference: &reference, reference: None, handle: None };
    let heard = desk.look_up(&known, |answer| matches!(answer, Answer::Seen(_))).await;
    match &heard.answer {
        Answer::Seen(seen) => {
            Err(Fault::Seen(format!("half a request made {} reservations", seen.len())))
        }
        Answer::NotFound => Ok(format!("answered with {status}, and nothing is there")),
        _ => Err(Fault::Seen(heard.told())),
    }
}

pub(super) async fn limits(desk: &Desk<'_>) -> Said {
    let references: Vec<String> = (0..AT_ONCE).map(|_| desk.client_reference()).collect();
    let asks = references.iter().map(|reference| async {
        let known = Known { client_reference: reference, reference: None, handle: None };
        desk.line.exchange(&Ask::LookUp(known)).await
    });
    let all = futures::future::join_all(asks).await;
    let is_found = |heard: &&Heard| matches!(heard.answer, Answer::NotFound);
    let is_limited = |heard: &&Heard| heard.is_over_limit(desk.line.dialect);
    let found = all.iter().filter(is_found).count();
    let limited = all.iter().filter(is_limited).count();
    if let Some(lacking) = desk.line.unlimited() {
        return Err(Fault::Seen(lacking.to_owned()));
    }
    match all.iter().find(|heard| !is_found(heard) && !is_limited(heard)) {
        Some(odd) if odd.answer == Answer::NotSent && found == 0 => Err(unheard(odd)),
        Some(odd) => Err(Fault::Seen(format!("of {AT_ONCE}, one came to: {}", odd.told()))),
        None if found == 0 => {
            let why = format!("not tested: all {AT_ONCE} were turned away, none was answered");
            Err(Fault::NotTested(why))
        }
        // Where nobody is turned away, nobody sees how that is said.
        None if limited == 0 => {
            Err(Fault::Skipped(format!("not shown: all {AT_ONCE} were answered")))
        }
        None => Ok(format!("{found} answered, {limited} turned away")),
    }
}
