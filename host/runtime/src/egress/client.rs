//! The HTTP clients: one for the open internet, and one for each port at which an operator allows a private address.
//!
//! A resolver knows names but no ports; so a private address that is allowed at one port stays closed at every other,
//! because requests to other ports go through another client.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, redirect};

use super::address::is_global;
use super::lookup::Lookups;
use crate::config::HostPort;
use crate::error::RuntimeError;

const CONNECT: Duration = Duration::from_secs(10);

pub struct Egress {
    open: Client,
    by_port: BTreeMap<u16, Client>,
    allowed: Vec<HostPort>,
    own: Arc<[IpAddr]>,
}

impl Egress {
    /// `own` are the hub's own addresses: closed like private ones, although they may be public.
    pub fn new(allowed: &[HostPort], own: &[IpAddr]) -> Result<Egress, RuntimeError> {
        let own: Arc<[IpAddr]> = own.iter().map(IpAddr::to_canonical).collect();
        let mut by_port: BTreeMap<u16, Vec<String>> = BTreeMap::new();
        for HostPort { host, port } in allowed {
            by_port.entry(*port).or_default().push(host.clone());
        }
        let lookups = Lookups::default();
        let by_port = by_port.into_iter().map(|(port, hosts)| Ok((port, client(hosts, &own, &lookups)?)));
        let by_port = by_port.collect::<Result<_, RuntimeError>>()?;
        Ok(Egress { open: client(Vec::new(), &own, &lookups)?, by_port, allowed: allowed.to_vec(), own })
    }

    pub fn client(&self, port: u16) -> &Client {
        self.by_port.get(&port).unwrap_or(&self.open)
    }

    /// Whether an operator allows this host (a name or an address) at this port, wherever it is.
    pub fn is_allowed(&self, host: &str, port: u16) -> bool {
        self.allowed.iter().any(|allowed| allowed.port == port && allowed.host == host)
    }

    /// An address that stands in the URL itself is never resolved, so it is checked here.
    pub fn may_reach(&self, address: IpAddr, port: u16) -> bool {
        is_open(address, &self.own) || self.is_allowed(&address.to_string(), port)
    }
}

fn client(allowed: Vec<String>, own: &Arc<[IpAddr]>, lookups: &Lookups) -> Result<Client, RuntimeError> {
    let resolver = Checked { allowed: allowed.into(), own: Arc::clone(own), lookups: lookups.clone() };
    Client::builder()
        .dns_resolver(Arc::new(resolver))
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .connect_timeout(CONNECT)
        .pool_idle_timeout(Duration::from_secs(30))
        .user_agent(concat!("OpenHub/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(RuntimeError::Client)
}

/// Resolves names and lets only addresses through that may be connected to.
struct Checked {
    /// Hosts, by name or address, that may be private.
    allowed: Arc<[String]>,
    own: Arc<[IpAddr]>,
    lookups: Lookups,
}

#[derive(Debug, thiserror::Error)]
#[error("no address of `{0}` may be reached: the operator can allow one in `allow_private`")]
pub struct NoOpenAddress(String);

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (allowed, own, lookups) = (Arc::clone(&self.allowed), Arc::clone(&self.own), self.lookups.clone());
        Box::pin(async move {
            let host = name.as_str().to_ascii_lowercase();
            let found = lookups.find(&host).await?;
            let checked = keep(&allowed, &own, &host, found.into_iter());
            if checked.is_empty() {
                return Err(NoOpenAddress(host).into());
            }
            Ok(Box::new(checked.into_iter()) as Addrs)
        })
    }
}

/// Of the open internet, and not this hub's.
fn is_open(address: IpAddr, own: &[IpAddr]) -> bool {
    is_global(address) && !own.contains(&address.to_canonical())
}

fn keep(allowed: &[String], own: &[IpAddr], host: &str, found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let by_name = allowed.iter().any(|allowed| allowed == host);
    let may = |address: IpAddr| is_open(address, own) || by_name || allowed.contains(&address.to_string());
    found.filter(|found| may(found.ip())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolved_addresses_are_checked_one_by_one() {
        let found: Vec<SocketAddr> =
            ["8.8.8.8:0", "127.0.0.1:0", "[::ffff:10.0.0.1]:0"].iter().map(|text| text.parse().unwrap()).collect();
        let kept = |allowed: &[&str], host: &str| {
            let allowed: Vec<String> = allowed.iter().map(|&host| host.to_owned()).collect();
            keep(&allowed, &[], host, found.clone().into_iter()).len()
        };
        assert_eq!(kept(&[], "a.example"), 1);
        assert_eq!(kept(&["127.0.0.1"], "a.example"), 2);
        assert_eq!(kept(&["a.example"], "a.example"), 3);
        assert_eq!(kept(&["b.example"], "a.example"), 1);
    }

    #[test]
    fn a_private_address_is_open_at_its_port_only() {
        let egress = Egress::new(&["127.0.0.1:8080".parse().unwrap()], &[]).unwrap();
        let loopback = "127.0.0.1".parse().unwrap();
        assert!(egress.may_reach(loopback, 8080));
        assert!(!egress.may_reach(loopback, 8081));
        assert!(egress.may_reach("8.8.8.8".parse().unwrap(), 443));
    }

    #[test]
    fn the_hubs_own_addresses_are_closed_although_they_are_public() {
        let own: Vec<IpAddr> = ["8.8.8.8", "::ffff:9.9.9.9", "2a00::1"].map(|text| text.parse().unwrap()).to_vec();
        let egress = Egress::new(&["8.8.8.8:8443".parse().unwrap()], &own).unwrap();
        let may = |address: &str, port| egress.may_reach(address.parse().unwrap(), port);
        assert!(!may("8.8.8.8", 443) && !may("9.9.9.9", 443) && !may("2a00::1", 443));
        assert!(may("8.8.4.4", 443) && may("2a00::2", 443));
        assert!(may("8.8.8.8", 8443), "the operator allowed that very port");
        let found: Vec<SocketAddr> = ["8.8.8.8:0", "8.8.4.4:0"].iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(keep(&[], &egress.own, "hub.example", found.into_iter()), ["8.8.4.4:0".parse().unwrap()]);
    }

    #[tokio::test]
    async fn a_name_of_a_private_address_is_not_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let egress = Egress::new(&[], &[]).unwrap();
        let error = egress.client(port).get(format!("http://localhost:{port}/")).send().await.unwrap_err();
        assert!(error.is_connect(), "{error:?}");
    }
}
