//! Certificates made for a test: of two authorities, for servers and for clients, in time and out of it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use super::process::TempDir;

/// An authority, and a folder with what it has signed.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

/// A certificate and its key, as files.
#[derive(Clone)]
pub struct Pair {
    pub cert: PathBuf,
    pub key: PathBuf,
}

impl Pair {
    pub fn cert(&self) -> &str {
        text(&self.cert)
    }
    pub fn key(&self) -> &str {
        text(&self.key)
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name.push(DnType::CommonName, "nearside's tests");
    params
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = params(&[]);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let dir = TempDir::new("certificates");
        fs::write(dir.path().join("ca.crt"), issuer.pem()).expect("a file");
        Authority { issuer, dir }
    }

    /// The file with its own certificate.
    pub fn file(&self) -> PathBuf {
        self.dir.path().join("ca.crt")
    }

    /// A certificate for these names (of hosts, or addresses), in files of this name.
    pub fn sign(&self, file: &str, names: &[&str]) -> Pair {
        self.sign_until(file, names, 2100)
    }

    /// One that has ended.
    pub fn sign_expired(&self, file: &str, names: &[&str]) -> Pair {
        self.sign_until(file, names, 2020)
    }

    fn sign_until(&self, file: &str, names: &[&str], year: i32) -> Pair {
        let mut params = params(names);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let path = |ending: &str| self.dir.path().join(format!("{file}.{ending}"));
        let pair = Pair { cert: path("crt"), key: path("key") };
        fs::write(&pair.cert, certificate.pem()).expect("a file");
        fs::write(&pair.key, key.serialize_pem()).expect("a file");
        pair
    }
}

/// The versions that a test's client speaks.
pub type Versions = &'static [&'static SupportedProtocolVersion];

pub static V12: Versions = &[&TLS12];
pub static V13: Versions = &[&TLS13];
pub static BOTH: Versions = &[&TLS13, &TLS12];

/// A connection by TLS.
pub type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// How a test's client speaks TLS.
pub struct TlsClient<'a> {
    pub authority: &'a Authority,
    pub pair: Option<&'a Pair>,
    pub versions: Versions,
}

impl TlsClient<'_> {
    /// Connects to 127.0.0.1, as to `localhost`.
    pub fn connect(&self, port: u16) -> TlsStream {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(self.authority.file()).expect("the authority's file")
        {
            roots.add(certificate.expect("a certificate")).expect("an authority");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions)
            .expect("versions")
            .with_root_certificates(roots);
        let config = match self.pair {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let chain = CertificateDer::pem_file_iter(&pair.cert).expect("a certificate's file");
                let chain = chain.collect::<Result<Vec<_>, _>>().expect("a certificate");
                let key = PrivateKeyDer::from_pem_file(&pair.key).expect("a key");
                builder.with_client_auth_cert(chain, key).expect("a pair")
            }
        };
        let name = ServerName::try_from("localhost").expect("a name");
        let session = ClientConnection::new(Arc::new(config), name).expect("a client");
        let socket = TcpStream::connect(("127.0.0.1", port)).expect("connect");
        socket.set_nodelay(true).expect("an option");
        socket.set_read_timeout(Some(Duration::from_secs(60))).expect("an option");
        StreamOwned::new(session, socket)
    }

    /// What PING is answered, or why it is not.
    pub fn ping(&self, port: u16) -> Result<String, String> {
        ping(&mut self.connect(port))
    }
}

/// What PING is answered, or why it is not.
pub fn ping(stream: &mut (impl Read + Write)) -> Result<String, String> {
    stream.write_all(b"PING\r\n").and_then(|()| stream.flush()).map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n") {
        match stream.read(&mut byte) {
            Ok(0) => return Err(String::from("the end")),
            Ok(_) => answer.extend(byte),
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(String::from_utf8_lossy(&answer).trim_end().to_owned())
}
