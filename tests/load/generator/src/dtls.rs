//! The DTLS handshake of a virtual client (RFC 5764): datagrams in and out, SRTP keys at the end. Knows no sockets.
//!
//! OpenSSL on a pair of queues. Its retransmission timer runs when `advance` is called: a read that finds nothing looks
//! at it.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use _dataplane::srtp::{Context, Profile};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::ssl::{
    ErrorCode, HandshakeError, MidHandshakeSslStream, Ssl, SslContext, SslMethod, SslOptions, SslStream,
    SslVerifyMode,
};
use openssl::x509::{X509, X509NameBuilder};

/// Datagrams of a handshake fit into Ethernet.
const MTU: u32 = 1200;

/// Certificate and settings that all clients share.
pub struct Identity {
    context: SslContext,
    /// "sha-256 AA:BB:…" as SDP wants it.
    pub fingerprint: String,
    profile: Profile,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

impl Identity {
    /// A fresh self-signed P-256 certificate. Clients offer this one SRTP profile.
    pub fn generate(profile: Profile) -> Result<Self, ErrorStack> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
        let mut name = X509NameBuilder::new()?;
        name.append_entry_by_text("CN", "load")?;
        let name = name.build();
        let mut certificate = X509::builder()?;
        certificate.set_version(2)?;
        certificate.set_serial_number(&*BigNum::from_u32(1)?.to_asn1_integer()?)?; // positive: RFC 5280 §4.1.2.2
        certificate.set_subject_name(&name)?;
        certificate.set_issuer_name(&name)?;
        certificate.set_pubkey(&key)?;
        let (from, to) = (Asn1Time::days_from_now(0)?, Asn1Time::days_from_now(2)?);
        certificate.set_not_before(&from)?;
        certificate.set_not_after(&to)?;
        certificate.sign(&key, MessageDigest::sha256())?;
        let certificate = certificate.build();
        let fingerprint = format!("sha-256 {}", hex(&certificate.digest(MessageDigest::sha256())?));

        let mut context = SslContext::builder(SslMethod::dtls())?;
        context.set_certificate(&certificate)?;
        context.set_private_key(&key)?;
        context.set_options(SslOptions::NO_QUERY_MTU);
        context.set_verify(SslVerifyMode::NONE); // the fingerprint is compared instead (RFC 8122)
        context.set_tlsext_use_srtp(match profile {
            Profile::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
            Profile::Aes128CmSha1_80 => "SRTP_AES128_CM_SHA1_80",
        })?;
        Ok(Self { context: context.build(), fingerprint, profile })
    }
}

/// Datagrams on their way.
#[derive(Debug, Default)]
struct Pipe {
    incoming: VecDeque<Vec<u8>>,
    outgoing: Vec<Vec<u8>>,
}

impl Read for Pipe {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some(datagram) = self.incoming.pop_front() else { return Err(io::ErrorKind::WouldBlock.into()) };
        let length = datagram.len().min(out.len());
        out[..length].copy_from_slice(&datagram[..length]);
        Ok(length)
    }
}

impl Write for Pipe {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.outgoing.push(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum State {
    Handshaking(MidHandshakeSslStream<Pipe>),
    Connected(SslStream<Pipe>),
    Over,
}

/// SRTP contexts of a finished handshake.
pub struct Keys {
    /// To send.
    pub tx: Context,
    /// To receive.
    pub rx: Context,
}

/// One connection; the client is active.
pub struct Dtls {
    state: State,
    /// What was sent last, and how often it was repeated since something came.
    flight: Vec<Vec<u8>>,
    repeats: u32,
    profile: Profile,
    fingerprint: String,
}

impl Dtls {
    /// Begins the handshake; `fingerprint` is the one of the server's SDP, "sha-256 AA:BB:…". The first flight waits in
    /// [`Dtls::take_outgoing`].
    pub fn connect(identity: &Identity, fingerprint: &str) -> Result<Self, String> {
        let mut ssl = Ssl::new(&identity.context).map_err(|e| e.to_string())?;
        ssl.set_mtu(MTU).map_err(|e| e.to_string())?;
        let state = match ssl.connect(Pipe::default()) {
            Err(HandshakeError::WouldBlock(stream)) => State::Handshaking(stream),
            Ok(stream) => State::Connected(stream),
            Err(error) => return Err(error.to_string()),
        };
        let fingerprint = fingerprint.to_owned();
        Ok(Self { state, flight: Vec::new(), repeats: 0, profile: identity.profile, fingerprint })
    }

    /// A datagram came.
    pub fn feed(&mut self, datagram: &[u8]) {
        (self.flight, self.repeats) = (Vec::new(), 0);
        match &mut self.state {
            State::Handshaking(stream) => stream.get_mut().incoming.push_back(datagram.to_vec()),
            State::Connected(stream) => stream.get_mut().incoming.push_back(datagram.to_vec()),
            State::Over => {}
        }
    }

    /// Works on what came and on the retransmission timer. The keys come once; an error ends the connection.
    pub fn advance(&mut self) -> Result<Option<Keys>, String> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Handshaking(stream) => match stream.handshake() {
                Ok(stream) => {
                    let keys = self.keys(&stream)?;
                    self.state = State::Connected(stream);
                    return Ok(Some(keys));
                }
                Err(HandshakeError::WouldBlock(stream)) => self.state = State::Handshaking(stream),
                Err(error) => return Err(format!("DTLS handshake failed: {error}")),
            },
            State::Connected(mut stream) => {
                let mut unused = [0; 2048];
                if stream.ssl_read(&mut unused).is_err_and(|e| e.code() == ErrorCode::ZERO_RETURN) {
                    return Err("the server closed DTLS".to_owned());
                }
                self.state = State::Connected(stream);
            }
            State::Over => {}
        }
        Ok(None)
    }

    /// Datagrams to send.
    pub fn take_outgoing(&mut self) -> Vec<Vec<u8>> {
        let outgoing = match &mut self.state {
            State::Handshaking(stream) => std::mem::take(&mut stream.get_mut().outgoing),
            State::Connected(stream) => std::mem::take(&mut stream.get_mut().outgoing),
            State::Over => Vec::new(),
        };
        if !outgoing.is_empty() {
            self.flight.clone_from(&outgoing);
        }
        outgoing
    }

    /// The last flight once more, if nothing came since and it is time: the n-th call, one each 50 ms, repeats it for
    /// n = 1, 2, 4, 8, 16. libwebrtc's first time-out is 50 ms, OpenSSL's a second, which would be counted as a slow join
    /// wherever a server is not ready for the first datagram.
    pub fn repeat(&mut self) -> Vec<Vec<u8>> {
        if !matches!(self.state, State::Handshaking(_)) {
            return Vec::new();
        }
        self.repeats += 1;
        if self.repeats.is_power_of_two() && self.repeats <= 16 { self.flight.clone() } else { Vec::new() }
    }

    fn keys(&self, stream: &SslStream<Pipe>) -> Result<Keys, String> {
        let ssl = stream.ssl();
        let certificate = ssl.peer_certificate().ok_or("the server sent no certificate")?;
        let digest = certificate.digest(MessageDigest::sha256()).map_err(|e| e.to_string())?;
        let found = format!("sha-256 {}", hex(&digest));
        if !found.eq_ignore_ascii_case(&self.fingerprint) {
            return Err(format!("the server's certificate is {found}, its SDP says {}", self.fingerprint));
        }
        ssl.selected_srtp_profile().ok_or("the server takes not our SRTP profile")?;
        // RFC 5764 §4.2: client key, server key, client salt, server salt
        let (key, salt) = (16, self.profile.key_len() - 16);
        let mut material = vec![0; 2 * (key + salt)];
        ssl.export_keying_material(&mut material, "EXTRACTOR-dtls_srtp", None).map_err(|e| e.to_string())?;
        let (keys, salts) = material.split_at(2 * key);
        let context = |side: usize| {
            let master = [&keys[side * key..][..key], &salts[side * salt..][..salt]].concat();
            Context::new(self.profile, &master).map_err(|e| e.to_string())
        };
        Ok(Keys { tx: context(0)?, rx: context(1)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both sides' handshake to its end; the server is plain OpenSSL on the same kind of pipe.
    fn shake(profile: Profile, fingerprint: Option<&str>) -> Result<(Keys, Vec<u8>), String> {
        let (ours, theirs) = (Identity::generate(profile).unwrap(), Identity::generate(profile).unwrap());
        let mut client = Dtls::connect(&ours, fingerprint.unwrap_or(&theirs.fingerprint))?;
        let first = client.take_outgoing();
        assert_eq!(client.repeat(), first, "nothing came, so it is sent again");
        let mut pipe = Pipe { incoming: first.into(), outgoing: Vec::new() };
        let mut ssl = Ssl::new(&theirs.context).unwrap();
        ssl.set_mtu(MTU).unwrap();
        let mut server = ssl.accept(std::mem::take(&mut pipe));
        for _ in 0..10 {
            server = match server {
                Err(HandshakeError::WouldBlock(mut stream)) => {
                    std::mem::take(&mut stream.get_mut().outgoing).iter().for_each(|d| client.feed(d));
                    let keys = client.advance()?;
                    stream.get_mut().incoming.extend(client.take_outgoing());
                    assert!(keys.is_none(), "the server speaks last");
                    stream.handshake()
                }
                Ok(mut stream) => {
                    std::mem::take(&mut stream.get_mut().outgoing).iter().for_each(|d| client.feed(d));
                    let keys = client.advance()?.expect("connected");
                    let mut material = vec![0; 2 * profile.key_len()];
                    let ssl = stream.ssl();
                    ssl.export_keying_material(&mut material, "EXTRACTOR-dtls_srtp", None).unwrap();
                    return Ok((keys, material));
                }
                Err(error) => return Err(error.to_string()),
            };
        }
        Err("no end".to_owned())
    }

    #[test]
    fn both_sides_have_the_same_keys() {
        for profile in [Profile::AeadAes128Gcm, Profile::Aes128CmSha1_80] {
            let (keys, material) = shake(profile, None).unwrap();
            let salt = profile.key_len() - 16;
            let master =
                |side: usize| [&material[16 * side..][..16], &material[32 + salt * side..][..salt]].concat();
            assert!(keys.tx.is_from(profile, &master(0)) && keys.rx.is_from(profile, &master(1)));
        }
    }

    #[test]
    fn another_certificate_than_the_announced_one_is_refused() {
        let error = shake(Profile::AeadAes128Gcm, Some("sha-256 00:11")).err().unwrap();
        assert!(error.contains("its SDP says sha-256 00:11"), "{error}");
    }
}
