//! TLS: our certificate and key, and what the other side's is checked against.
//!
//! Owns the reading of the files and what is made of them, for clients and for the link to the master; both can change
//! while running, for the handshakes that follow. Never touches a socket.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion, version};

use crate::certificate::Certificate;
use crate::upstream::MasterTls;

/// The TLS options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Our certificate, with those between it and the CA's.
    pub cert_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
    /// The certificate for the master, where it is another.
    pub client_cert_file: Option<PathBuf>,
    /// Its key.
    pub client_key_file: Option<PathBuf>,
    /// Whose certificates we trust: clients' and the master's.
    pub ca_cert_file: Option<PathBuf>,
    /// A directory of such files.
    pub ca_cert_dir: Option<PathBuf>,
    /// Whether clients must have a certificate.
    pub auth_clients: AuthClients,
    /// Which versions are spoken.
    pub protocols: Protocols,
    /// Whether the link to the master is TLS.
    pub replication: bool,
    /// The name that the master's certificate must bear, where it is not that of `replicaof`.
    pub server_name: Option<String>,
}

/// Whether clients must have a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthClients {
    /// They need none, and none is asked for.
    No,
    /// They must.
    #[default]
    Yes,
    /// They need none, but one that they show must be right.
    Optional,
}

/// Which versions of TLS are spoken. Older ones are broken, and not spoken at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocols {
    v1_2: bool,
    v1_3: bool,
}

impl Default for Protocols {
    fn default() -> Self {
        Protocols { v1_2: true, v1_3: true }
    }
}

impl Protocols {
    /// Reads `TLSv1.2 TLSv1.3` or one of the two; nothing is both, as in Redis.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut protocols = Protocols { v1_2: false, v1_3: false };
        for word in text.split_ascii_whitespace() {
            match word.to_ascii_lowercase().as_str() {
                "tlsv1.2" => protocols.v1_2 = true,
                "tlsv1.3" => protocols.v1_3 = true,
                _ => return Err(format!("'{word}' is none of TLSv1.2, TLSv1.3")),
            }
        }
        Ok(if protocols.v1_2 || protocols.v1_3 { protocols } else { Protocols::default() })
    }

    /// Redis' words for them.
    pub fn words(self) -> &'static str {
        match (self.v1_2, self.v1_3) {
            (true, false) => "TLSv1.2",
            (false, true) => "TLSv1.3",
            _ => "TLSv1.2 TLSv1.3",
        }
    }

    fn versions(self) -> Vec<&'static SupportedProtocolVersion> {
        let all = [(self.v1_3, &version::TLS13), (self.v1_2, &version::TLS12)];
        all.into_iter().filter(|(is_spoken, _)| *is_spoken).map(|(_, version)| version).collect()
    }
}

/// Why TLS cannot be spoken as it is told.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// An option that is needed.
    #[error("{option} is needed, because of {because}")]
    Missing {
        /// Its name.
        option: &'static str,
        /// What needs it.
        because: &'static str,
    },
    /// A file that cannot be used.
    #[error("{option} {path}: {why}", path = path.display())]
    File {
        /// The option that names it.
        option: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// What the library says of all of them together.
    #[error("{0}")]
    Refused(#[from] rustls::Error),
}

/// What both sides' handshakes are made with, as it is now.
#[derive(Debug, Default)]
pub(crate) struct Tls {
    sides: RwLock<Sides>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Sides {
    /// For clients; none where they are not served by TLS.
    server: Option<Arc<ServerConfig>>,
    /// For the master; none where the link is plain.
    client: Option<Arc<ClientConfig>>,
    /// What is told of the certificates.
    told: Told,
}

/// The certificates in use, as far as an operator wants to know of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// What clients are shown.
    pub(crate) server: Option<Certificate>,
    /// What the master is shown, where that is another one.
    pub(crate) client: Option<Certificate>,
    /// Of those that are trusted, the one that ends first.
    pub(crate) ca: Option<Certificate>,
}

impl Told {
    fn read(options: &TlsOptions, serves: bool) -> Result<Told, TlsError> {
        let first = |option, path: Option<PathBuf>| -> Result<Option<Certificate>, TlsError> {
            let Some(path) = path else { return Ok(None) };
            Ok(certificates(option, &path)?.first().and_then(|first| Certificate::of_der(first)))
        };
        let told_if = |is_used: bool, path: &Option<PathBuf>| path.clone().filter(|_| is_used);
        let server = told_if(serves || options.replication, &options.cert_file);
        let client = told_if(options.replication, &options.client_cert_file);
        let trusts = options.replication || (serves && options.auth_clients != AuthClients::No);
        let trusted = if trusts { authorities(options, "tls-auth-clients")? } else { Vec::new() };
        let trusted = trusted.iter().filter_map(|(.., certificate)| Certificate::of_der(certificate));
        Ok(Told {
            server: first("tls-cert-file", server)?,
            client: first("tls-client-cert-file", client)?,
            ca: trusted.min_by_key(|certificate| certificate.ends_at),
        })
    }
}

impl Tls {
    /// With what these options say; `serves` says whether clients are served by TLS.
    ///
    /// # Errors
    /// [`TlsError`]
    pub(crate) fn new(options: &TlsOptions, serves: bool) -> Result<Tls, TlsError> {
        Ok(Tls { sides: RwLock::new(Sides::read(options, serves)?) })
    }

    /// Takes these for the handshakes that follow.
    pub(crate) fn renew(&self, sides: Sides) {
        *self.sides.write() = sides;
    }

    /// What a client's handshake is made with.
    pub(crate) fn server(&self) -> Option<Arc<ServerConfig>> {
        self.sides.read().server.clone()
    }

    /// What is told of the certificates that the handshakes are made with.
    pub(crate) fn told(&self) -> Told {
        self.sides.read().told.clone()
    }
}

impl Sides {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`]
    pub(crate) fn read(options: &TlsOptions, serves: bool) -> Result<Sides, TlsError> {
        let server = if serves { Some(Arc::new(server_config(options)?)) } else { None };
        let client = if options.replication { Some(Arc::new(client_config(options)?)) } else { None };
        Ok(Sides { server, client, told: Told::read(options, serves)? })
    }

    /// For the link to the master.
    pub(crate) fn for_master(&self, options: &TlsOptions) -> Option<MasterTls> {
        let config = self.client.clone()?;
        Some(MasterTls { config, server_name: options.server_name.clone() })
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn server_config(options: &TlsOptions) -> Result<ServerConfig, TlsError> {
    let missing = |option| TlsError::Missing { option, because: "tls-port" };
    let cert = options.cert_file.as_deref().ok_or(missing("tls-cert-file"))?;
    let key = options.key_file.as_deref().ok_or(missing("tls-key-file"))?;
    let provider = provider();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&options.protocols.versions())?;
    let builder = match options.auth_clients {
        AuthClients::No => builder.with_no_client_auth(),
        AuthClients::Yes | AuthClients::Optional => {
            let roots = Arc::new(roots(options, "tls-auth-clients")?);
            // The authorities are not named to clients, as Redis names none: by a list, some libraries keep a
            // certificate back that it does not fit, and nobody would hear of it.
            let verifier =
                WebPkiClientVerifier::builder_with_provider(roots, provider).clear_root_hint_subjects();
            let verifier = match options.auth_clients {
                AuthClients::Optional => verifier.allow_unauthenticated(),
                AuthClients::Yes | AuthClients::No => verifier,
            };
            builder.with_client_cert_verifier(
                verifier.build().map_err(|error| rustls::Error::General(error.to_string()))?,
            )
        }
    };
    let (chain, secret) = (certificates("tls-cert-file", cert)?, private_key("tls-key-file", key)?);
    builder.with_single_cert(chain, secret).map_err(|error| mismatch("tls-key-file", key, error))
}

fn client_config(options: &TlsOptions) -> Result<ClientConfig, TlsError> {
    let provider = provider();
    let verifier = WebPkiServerVerifier::builder_with_provider(
        Arc::new(roots(options, "tls-replication")?),
        Arc::clone(&provider),
    );
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&options.protocols.versions())?
        .with_webpki_verifier(verifier.build().map_err(|error| rustls::Error::General(error.to_string()))?);
    let (cert_option, cert, key_option, key) = match &options.client_cert_file {
        Some(cert) => ("tls-client-cert-file", Some(cert), "tls-client-key-file", &options.client_key_file),
        None => ("tls-cert-file", options.cert_file.as_ref(), "tls-key-file", &options.key_file),
    };
    let Some(cert) = cert else { return Ok(builder.with_no_client_auth()) };
    let key = key.as_deref().ok_or(TlsError::Missing { option: key_option, because: cert_option })?;
    let (chain, secret) = (certificates(cert_option, cert)?, private_key(key_option, key)?);
    builder.with_client_auth_cert(chain, secret).map_err(|error| mismatch(key_option, key, error))
}

/// The CAs that are trusted.
fn roots(options: &TlsOptions, because: &'static str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for (option, path, certificate) in authorities(options, because)? {
        roots.add(certificate).map_err(|error| file_error(option, &path, error.to_string()))?;
    }
    Ok(roots)
}

/// Their certificates, and which option's file they stand in.
fn authorities(
    options: &TlsOptions,
    because: &'static str,
) -> Result<Vec<(&'static str, PathBuf, CertificateDer<'static>)>, TlsError> {
    let mut files = Vec::new();
    if let Some(file) = &options.ca_cert_file {
        files.push(("tls-ca-cert-file", file.clone()));
    }
    if let Some(dir) = &options.ca_cert_dir {
        let wrong = |error: io::Error| file_error("tls-ca-cert-dir", dir, error.to_string());
        for entry in fs::read_dir(dir).map_err(wrong)? {
            let path = entry.map_err(wrong)?.path();
            if path.is_file() {
                files.push(("tls-ca-cert-dir", path));
            }
        }
    }
    if files.is_empty() {
        return Err(TlsError::Missing { option: "tls-ca-cert-file or tls-ca-cert-dir", because });
    }
    let mut found = Vec::new();
    for (option, path) in files {
        let own = certificates(option, &path)?;
        found.extend(own.into_iter().map(|certificate| (option, path.clone(), certificate)));
    }
    Ok(found)
}

fn certificates(option: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(file_error(option, path, "there is no certificate in it".to_owned())),
        Err(error) => Err(file_error(option, path, words(&error))),
    }
}

fn private_key(option: &'static str, path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| {
        let why = match error {
            pem::Error::NoItemsFound => {
                "there is no private key in it (one with a password is not read)".to_owned()
            }
            error => words(&error),
        };
        file_error(option, path, why)
    })
}

fn words(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}

fn file_error(option: &'static str, path: &Path, why: String) -> TlsError {
    TlsError::File { option, path: path.to_owned(), why }
}

fn mismatch(option: &'static str, path: &Path, error: rustls::Error) -> TlsError {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            file_error(option, path, "it is not the key of the certificate".to_owned())
        }
        error => file_error(option, path, error.to_string()),
    }
}
