//! TLS with rustls: roots, client certificates, and what its errors mean. The crypto provider is always given by hand,
//! because rustls panics when it has to choose between two. No sockets.

use std::io;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::config::{ConfigError, HttpVersion, Pem, TlsConfig};
use super::{ErrorKind, NetError};

/// What ALPN calls HTTP/2.
pub(super) const HTTP2: &[u8] = b"h2";

/// What the options name, read and checked; the platform's roots are only loaded when a connection needs them.
pub(super) struct TlsParts {
    provider: Arc<CryptoProvider>,
    insecure: bool,
    ca: Vec<CertificateDer<'static>>,
    client: Option<Arc<CertifiedKey>>,
}

impl TlsParts {
    /// Reads the files.
    ///
    /// # Errors
    /// Files that cannot be read or hold something else, a certificate without key or the other way round.
    pub fn load(config: &TlsConfig) -> Result<Self, ConfigError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let ca = config.ca.as_ref().map(|pem| certificates("ca", pem)).transpose()?;
        let client = match (&config.cert, &config.key) {
            (Some(cert), Some(key)) => Some(client_key(&provider, cert, key)?),
            (None, None) => None,
            (Some(_), None) => return Err(wrong("key", "missing; `cert` needs it")),
            (None, Some(_)) => return Err(wrong("cert", "missing; `key` needs it")),
        };
        if let Some(name) = &config.server_name {
            ServerName::try_from(name.as_str()).map_err(|_| wrong("server_name", "not a host name or an address"))?;
        }
        Ok(Self {
            provider,
            insecure: config.insecure,
            ca: ca.unwrap_or_default(),
            client,
        })
    }

    /// Makes the configuration of all connections. Sessions are not resumed: a VU stands for a new visitor.
    ///
    /// # Errors
    /// The platform has no roots and the options name none.
    pub fn build(&self, version: HttpVersion) -> Result<Arc<ClientConfig>, NetError> {
        let verifier = self.verifier().map_err(|error| {
            let message = format!("cannot load trusted root certificates (http.tls.ca names more): {error}");
            NetError::new(ErrorKind::Tls, message)
        })?;
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| NetError::new(ErrorKind::Tls, error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.client {
            Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(key)))),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = match version {
            HttpVersion::Auto => vec![HTTP2.to_vec(), b"http/1.1".to_vec()],
            HttpVersion::Http1 => vec![b"http/1.1".to_vec()],
            HttpVersion::Http2 => vec![HTTP2.to_vec()],
        };
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }

    fn verifier(&self) -> Result<Arc<dyn ServerCertVerifier>, Error> {
        if self.insecure {
            return Ok(Arc::new(AnyCertificate(Arc::clone(&self.provider))));
        }
        let roots = self.ca.iter().cloned();
        let platform = rustls_platform_verifier::Verifier::new_with_extra_roots(roots, Arc::clone(&self.provider))?;
        Ok(Arc::new(platform))
    }
}

fn wrong(option: &'static str, reason: impl Into<String>) -> ConfigError {
    ConfigError::Tls {
        option,
        reason: reason.into(),
    }
}

fn read(option: &'static str, pem: &Pem) -> Result<Vec<u8>, ConfigError> {
    match pem {
        Pem::Bytes(bytes) => Ok(bytes.clone()),
        Pem::Path(path) => std::fs::read(path).map_err(|source| ConfigError::File {
            option,
            path: path.clone(),
            source,
        }),
    }
}

fn certificates(option: &'static str, pem: &Pem) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let text = read(option, pem)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| wrong(option, format!("broken PEM: {error}")))?;
    if found.is_empty() {
        return Err(wrong(option, "no PEM certificate in it"));
    }
    for certificate in &found {
        // What the verifier would do later, so that a broken root is found before the run.
        if option == "ca" {
            let mut store = rustls::RootCertStore::empty();
            let added = store.add(certificate.clone());
            added.map_err(|error| wrong(option, format!("not a usable certificate: {error}")))?;
        }
    }
    Ok(found)
}

fn client_key(provider: &CryptoProvider, cert: &Pem, key: &Pem) -> Result<Arc<CertifiedKey>, ConfigError> {
    let chain = certificates("cert", cert)?;
    let text = read("key", key)?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| wrong("key", format!("no private key: {error}")))?;
    let certified = CertifiedKey::from_der(chain, key, provider);
    let certified = certified.map_err(|error| wrong("key", format!("does not fit the certificate: {error}")))?;
    Ok(Arc::new(certified))
}

/// What to say of a server that picks something else.
pub(super) const NO_HTTP2: &str = "the server does not offer HTTP/2 in the TLS handshake (http.version is \"2\")";

/// What a failed handshake, or an alert later on, means.
pub(super) fn classify(error: &Error) -> NetError {
    let (kind, message) = match error {
        Error::InvalidCertificate(reason) => match reason {
            // A bad signature is what a trusted authority's namesake leaves: one made anew, with another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => (
                ErrorKind::TlsUnknownAuthority,
                "certificate of an unknown authority (http.tls.ca adds one)".to_owned(),
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
                ErrorKind::TlsWrongName,
                format!("certificate for another name: {reason}"),
            ),
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
            | CertificateError::Revoked => (ErrorKind::TlsExpired, format!("certificate not valid: {reason}")),
            other => (ErrorKind::Tls, format!("certificate refused: {other}")),
        },
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) | Error::NoApplicationProtocol => {
            (ErrorKind::NoHttp2, NO_HTTP2.to_owned())
        }
        Error::AlertReceived(alert) => (ErrorKind::Tls, format!("the server sent the TLS alert {alert:?}")),
        Error::InvalidMessage(_) => (ErrorKind::Tls, "the server does not speak TLS here".to_owned()),
        other => (ErrorKind::Tls, format!("TLS error: {other}")),
    };
    NetError::new(kind, message)
}

/// The TLS error inside an I/O error, if there is one.
pub(super) fn find(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// Accepts any certificate, but still checks that the server has its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
