//! Places, and the share of them that one source may have at once: a stranger who takes all that he gets
//! leaves most of them to everybody else. A source is an IPv4 address or an IPv6 /64; one subscriber may have
//! many of those, so a /48 has a share, too. What is counted is open, so memory is bounded by the places.

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One source has at most this part of the places.
const PART_OF_A_SOURCE: usize = 8;
/// An IPv6 /48 has at most this part.
const PART_OF_A_NETWORK: usize = 4;
/// But no source has fewer than what one browser opens.
const LEAST: usize = 8;

/// An address without what it may choose freely, and how many bits that leaves.
type Network = (u128, u8);

/// So many places.
pub(crate) struct Places {
    all: usize,
    free: Arc<Semaphore>,
    /// How many each network has now; who has none does not stand here.
    taken: Mutex<HashMap<Network, usize>>,
}

impl Places {
    pub(crate) fn new(all: usize) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(all));
        Arc::new(Self { all, free, taken: Mutex::default() })
    }

    /// A place, if there is one; of the share of this source, if it has one.
    pub(crate) fn take(self: &Arc<Self>, source: Option<IpAddr>) -> Option<Place> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        let place = Place { places: Arc::clone(self), source: None, _permit: permit };
        match source {
            Some(source) => place.of(source),
            None => Some(place),
        }
    }

    /// Waits for a place, of nobody's share yet.
    pub(super) async fn wait(self: &Arc<Self>) -> std::io::Result<Place> {
        let permit = Arc::clone(&self.free).acquire_owned().await.map_err(std::io::Error::other)?;
        Ok(Place { places: Arc::clone(self), source: None, _permit: permit })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Network, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the places, until it is dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    source: Option<IpAddr>,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// The same as one of this source's share; `None` if it has all of that.
    pub(super) fn of(mut self, source: IpAddr) -> Option<Self> {
        let places = Arc::clone(&self.places);
        let mut taken = places.taken();
        let has_all = |(network, part): &(Network, usize)| {
            taken.get(network).is_some_and(|has| *has >= (places.all / part).max(LEAST))
        };
        let networks = networks(source);
        if networks.iter().flatten().any(has_all) {
            return None;
        }
        for (network, _) in networks.into_iter().flatten() {
            *taken.entry(network).or_default() += 1;
        }
        self.source = Some(source);
        Some(self)
    }

    /// An answer that keeps the place until it was taken.
    pub(crate) fn until_taken(self, body: Body) -> Body {
        if body.is_end_stream() {
            return body;
        }
        Body::new(Held { body, _place: self })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(source) = self.source else { return };
        let mut taken = self.places.taken();
        for (network, _) in networks(source).into_iter().flatten() {
            match taken.get_mut(&network) {
                Some(has) if *has > 1 => *has -= 1,
                _ => drop(taken.remove(&network)),
            }
        }
    }
}

/// The networks that an address counts for, each with its part of the places.
fn networks(address: IpAddr) -> [Option<(Network, usize)>; 2] {
    match address.to_canonical() {
        IpAddr::V4(v4) => [Some(((v4.to_ipv6_mapped().to_bits(), 128), PART_OF_A_SOURCE)), None],
        IpAddr::V6(v6) => [(64, PART_OF_A_SOURCE), (48, PART_OF_A_NETWORK)]
            .map(|(bits, part)| Some(((v6.to_bits() & (u128::MAX << (128 - bits)), bits), part))),
    }
}

struct Held {
    body: Body,
    _place: Place,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(places: &Arc<Places>, addresses: impl Iterator<Item = String>) -> Vec<Place> {
        addresses.filter_map(|address| places.take(Some(address.parse().unwrap()))).collect()
    }

    // H08
    #[test]
    fn a_source_has_an_eighth_of_the_places_and_a_48_a_quarter() {
        let places = Places::new(800);
        let one = from(&places, (0..200).map(|_| "192.0.2.1".into()));
        assert_eq!(one.len(), 100);
        assert!(places.take(Some("::ffff:192.0.2.1".parse().unwrap())).is_none(), "the same");
        assert!(places.take(Some("192.0.2.2".parse().unwrap())).is_some());
        let hosts = from(&places, (0..200).map(|n| format!("2001:db8:0:1::{n:x}")));
        assert_eq!(hosts.len(), 100, "all of one /64");
        let nets = from(&places, (0..200).map(|n| format!("2001:db8:0:{n:x}::1")));
        assert_eq!(nets.len(), 100, "with those before a quarter");
        assert_eq!(from(&places, (0..9).map(|_| "2001:db8:1::1".into())).len(), 9);
        drop((one, hosts, nets));
        assert!(places.taken().is_empty(), "who has nothing costs nothing");
        assert_eq!(from(&places, (0..200).map(|_| "192.0.2.1".into())).len(), 100);
    }

    // H08
    #[test]
    fn who_has_no_share_has_all_places_and_never_more() {
        let places = Places::new(80);
        let all: Vec<_> = (0..100).filter_map(|_| places.take(None)).collect();
        assert_eq!(all.len(), 80);
        assert!(places.take(Some("192.0.2.1".parse().unwrap())).is_none());
        drop(all);
        assert!(places.taken().is_empty());
        assert!(places.take(Some("192.0.2.1".parse().unwrap())).is_some());
    }

    // H08
    #[test]
    fn one_browser_always_fits() {
        let places = Places::new(10);
        assert_eq!(from(&places, (0..10).map(|_| "192.0.2.1".into())).len(), 8);
    }
}
