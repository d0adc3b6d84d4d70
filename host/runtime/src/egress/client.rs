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
use crate::config::HostPort;
use crate::error::RuntimeError;

const CONNECT: Duration = Duration::from_secs(10);

pub struct Egress {
    open: Client,
    by_port: BTreeMap<u16, Client>,
    allowed: Vec<HostPort>,
}

impl Egress {
    pub fn new(allowed: &[HostPort]) -> Result<Egress, RuntimeError> {
        let mut by_port: BTreeMap<u16, Vec<String>> = BTreeMap::new();
        for HostPort { host, port } in allowed {
            by_port.entry(*port).or_default().push(host.clone());
        }
        let by_port = by_port.into_iter().map(|(port, hosts)| Ok((port, client(hosts)?)));
        let by_port = by_port.collect::<Result<_, RuntimeError>>()?;
        Ok(Egress { open: client(Vec::new())?, by_port, allowed: allowed.to_vec() })
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
        is_global(address) || self.is_allowed(&address.to_string(), port)
    }
}

fn client(allowed: Vec<String>) -> Result<Client, RuntimeError> {
    Client::builder()
        .dns_resolver(Arc::new(Checked { allowed: allowed.into() }))
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
}

#[derive(Debug, thiserror::Error)]
#[error("`{0}` has no address that plugins may reach")]
pub struct NoOpenAddress(String);

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = Arc::clone(&self.allowed);
        Box::pin(async move {
            let host = name.as_str().to_ascii_lowercase();
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let checked = keep(&allowed, &host, found);
            if checked.is_empty() {
                return Err(NoOpenAddress(host).into());
            }
            Ok(Box::new(checked.into_iter()) as Addrs)
        })
    }
}

fn keep(allowed: &[String], host: &str, found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let by_name = allowed.iter().any(|allowed| allowed == host);
    let may = |address: IpAddr| is_global(address) || by_name || allowed.contains(&address.to_string());
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
            keep(&allowed, host, found.clone().into_iter()).len()
        };
        assert_eq!(kept(&[], "a.example"), 1);
        assert_eq!(kept(&["127.0.0.1"], "a.example"), 2);
        assert_eq!(kept(&["a.example"], "a.example"), 3);
        assert_eq!(kept(&["b.example"], "a.example"), 1);
    }

    #[test]
    fn a_private_address_is_open_at_its_port_only() {
        let egress = Egress::new(&["127.0.0.1:8080".parse().unwrap()]).unwrap();
        let loopback = "127.0.0.1".parse().unwrap();
        assert!(egress.may_reach(loopback, 8080));
        assert!(!egress.may_reach(loopback, 8081));
        assert!(egress.may_reach("8.8.8.8".parse().unwrap(), 443));
    }

    #[tokio::test]
    async fn a_name_of_a_private_address_is_not_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let egress = Egress::new(&[]).unwrap();
        let error = egress.client(port).get(format!("http://localhost:{port}/")).send().await.unwrap_err();
        assert!(error.is_connect(), "{error:?}");
    }
}
