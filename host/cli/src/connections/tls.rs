//! TLS by the hub itself: a certificate and its key from files, which are read again when they change.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::refusal::Refusal;

/// How often it is asked whether the files have changed: who renews certificates does so days before they run out.
const LOOKS: Duration = Duration::from_secs(30);

/// How callers are answered who speak TLS.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    current: Arc<Current>,
}

/// The certificate that is shown, and where it comes from.
#[derive(Debug)]
struct Current {
    certificate: PathBuf,
    key: PathBuf,
    shown: RwLock<(Vec<u8>, Arc<CertifiedKey>)>,
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown.read().unwrap_or_else(PoisonError::into_inner).1.clone())
    }
}

impl Tls {
    /// The certificate with its chain, and its key, both PEM.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Tls, Refusal> {
        let shown = read(certificate, key).map_err(|error| Refusal::new(format!("{error:#}")))?;
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        let current = Arc::new(Current { certificate, key, shown: RwLock::new(shown) });
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().map_err(|error| Refusal::new(error.to_string()))?;
        let mut config = config.with_no_client_auth().with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(config)), current })
    }

    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, socket: S) -> io::Result<TlsStream<S>> {
        self.acceptor.accept(socket).await
    }

    /// Shows what is in the files, until the hub stops. What cannot be used is told, and what was shown before goes on.
    pub async fn follow(self, stopping: CancellationToken) {
        let mut told = Vec::new();
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOKS) => {}
                () = stopping.cancelled() => return,
            }
            match self.current.look() {
                Ok(true) => tracing::info!("a new certificate is shown to callers"),
                Ok(false) => {}
                Err(error) => {
                    let text = format!("{error:#}").into_bytes();
                    if text != told {
                        tracing::error!(error = format!("{error:#}"), "the certificate of before is shown on");
                        told = text;
                    }
                }
            }
        }
    }
}

impl Current {
    /// Whether the files have changed.
    fn look(&self) -> Result<bool> {
        let read = read(&self.certificate, &self.key)?;
        let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = shown.0 != read.0;
        if is_new {
            *shown = read;
        }
        Ok(is_new)
    }
}

/// What the files hold, and what is made of it.
fn read(certificate: &Path, key: &Path) -> Result<(Vec<u8>, Arc<CertifiedKey>)> {
    let text = |file: &Path, of: &str| {
        std::fs::read(file).with_context(|| format!("the file of `{of}`, {}, cannot be read", file.display()))
    };
    let (chain, secret) = (text(certificate, "tls_cert")?, text(key, "tls_key")?);
    let certificates: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&chain)
            .collect::<Result<_, _>>()
            .with_context(|| format!("{} is no certificate in PEM", certificate.display()))?;
    ensure!(
        !certificates.is_empty(),
        "there is no certificate in {}: it must be PEM, the hub's own first, then those between it and the authority",
        certificate.display()
    );
    let private = PrivateKeyDer::from_pem_slice(&secret)
        .with_context(|| format!("there is no private key in PEM in {}", key.display()))?;
    let made = CertifiedKey::from_der(certificates, private, &ring::default_provider()).with_context(|| {
        format!("the key in {} does not belong to the certificate in {}", key.display(), certificate.display())
    })?;
    Ok(([chain, secret].concat(), Arc::new(made)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connections::{Door, Times, serve};
    use axum::Router;
    use axum::http::HeaderMap;
    use axum::routing::get;
    use rcgen::{CertifiedKey as Made, generate_simple_self_signed};
    use tempfile::TempDir;
    use tokio::net::TcpListener;

    struct Files {
        _folder: TempDir,
        certificate: PathBuf,
        key: PathBuf,
    }

    impl Files {
        fn new() -> Files {
            let folder = tempfile::tempdir().unwrap();
            let (certificate, key) = (folder.path().join("hub.pem"), folder.path().join("hub.key"));
            Files { _folder: folder, certificate, key }
        }

        fn put(&self, certificate: &str, key: &str) {
            std::fs::write(&self.certificate, certificate).unwrap();
            std::fs::write(&self.key, key).unwrap();
        }

        fn tls(&self) -> Result<Tls, Refusal> {
            Tls::from_files(&self.certificate, &self.key)
        }
    }

    fn made() -> (String, String) {
        let Made { cert, signing_key } = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    #[test]
    fn what_is_no_certificate_with_its_key_is_refused() {
        let files = Files::new();
        assert!(files.tls().err().unwrap().to_string().contains("cannot be read"));
        let ((certificate, key), (_, other)) = (made(), made());
        files.put("", &key);
        assert!(files.tls().err().unwrap().to_string().contains("there is no certificate"));
        files.put(&certificate, &certificate);
        assert!(files.tls().err().unwrap().to_string().contains("no private key"));
        files.put(&certificate, &other);
        assert!(files.tls().err().unwrap().to_string().contains("does not belong"));
        files.put(&certificate, &key);
        assert!(files.tls().is_ok());
    }

    fn client(certificate: &str) -> reqwest::Client {
        let root = reqwest::Certificate::from_pem(certificate.as_bytes()).unwrap();
        reqwest::Client::builder().no_proxy().add_root_certificate(root).build().unwrap()
    }

    #[tokio::test]
    async fn callers_speak_tls_and_meet_a_new_certificate() {
        let (files, (first, key)) = (Files::new(), made());
        files.put(&first, &key);
        let tls = files.tls().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        let said = async |headers: HeaderMap| headers["x-forwarded-proto"].to_str().unwrap().to_owned();
        let router = Router::new().route("/", get(said));
        let times = Times { head: Duration::from_secs(60), idle: Duration::from_secs(60) };
        let stopping = CancellationToken::new();
        let door = Door { listener, router, most: 100, times, tls: Some(tls.clone()) };
        let serving = tokio::spawn(serve(door, stopping.clone()));
        let answer = client(&first).get(&url).send().await.unwrap();
        assert_eq!((answer.version(), answer.text().await.unwrap()), (reqwest::Version::HTTP_2, "https".to_owned()));

        // What cannot be used changes nothing.
        files.put("", &key);
        assert!(tls.current.look().is_err());
        assert!(client(&first).get(&url).send().await.is_ok());
        let (second, key) = made();
        files.put(&second, &key);
        assert!(tls.current.look().unwrap() && !tls.current.look().unwrap());
        assert!(client(&second).get(&url).send().await.is_ok());
        assert!(client(&first).get(&url).send().await.is_err(), "the old one is not shown any more");

        // Who speaks in the clear is not answered.
        assert!(client(&second).get(url.replace("https", "http")).send().await.is_err());
        stopping.cancel();
        serving.await.unwrap();
    }
}
