//! The cluster's certificates: an authority, and what it signs for servers and operators.
//!
//! Each cluster has one CA. The organisational unit of a certificate says what it is for:
//! `quorid-server` or `quorid-operator`. A server's certificate carries the hosts under which
//! clients reach it and `<server name>.server.quorid`, which the other servers verify.
//!
//! Files are made whole or not at all, keys with mode 0600, and nothing is overwritten unless
//! asked for; an authority never is, because every certificate of the cluster hangs on it.

mod error;
mod inspect;

use std::{
    fs,
    io::{self, Write as _},
    net::IpAddr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};

use quorid_api::pem::{self, PemError};

pub use error::CertError;
pub use inspect::{CertificateFacts, Purpose, facts, inspect};

use crate::tls::{OPERATOR_UNIT, SERVER_UNIT, is_host_label, peer_server_name};

/// Organisational unit of a cluster's certificate authority.
pub const AUTHORITY_UNIT: &str = "quorid-ca";
/// Days that an authority is valid where nothing else is asked for: ten years.
pub const AUTHORITY_DAYS: u32 = 3_653;
/// Days that a server's or operator's certificate is valid where nothing else is asked for.
pub const LEAF_DAYS: u32 = 825;
/// Longest validity, days: a hundred years.
pub const DAYS_MAX: u32 = 36_525;

/// Certificates are valid from this long ago, so that a clock that is behind accepts them.
const CLOCK_SKEW: Duration = Duration::from_secs(3_600);
const AUTHORITY_NAME: &str = "ca";

/// The two files of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM, readable by its owner only.
    pub key: PathBuf,
}

impl CertificateFiles {
    /// The names of the files of `name` in `dir`: `<name>.crt` and `<name>.key`.
    pub fn named(dir: &Path, name: &str) -> Self {
        Self {
            certificate: dir.join(format!("{name}.crt")),
            key: dir.join(format!("{name}.key")),
        }
    }

    /// The authority's files in `dir`: `ca.crt` and `ca.key`.
    pub fn authority(dir: &Path) -> Self {
        Self::named(dir, AUTHORITY_NAME)
    }
}

/// How a server's or operator's certificate is made.
#[derive(Clone, Debug)]
pub struct LeafOptions {
    /// Directory with the authority's `ca.crt` and `ca.key`.
    pub ca_dir: PathBuf,
    /// Directory that the new files are written to; made where it is missing.
    pub out_dir: PathBuf,
    /// Days until it expires, never later than the authority does.
    pub days: u32,
    /// Replace a certificate of that name.
    pub force: bool,
}

impl LeafOptions {
    /// Authority and new files in one directory, usual validity, nothing overwritten.
    pub fn in_dir(dir: &Path) -> Self {
        Self {
            ca_dir: dir.to_owned(),
            out_dir: dir.to_owned(),
            days: LEAF_DAYS,
            force: false,
        }
    }
}

/// Makes a cluster's authority, `ca.crt` and `ca.key` in `dir`, valid for `days`.
pub fn make_ca(dir: &Path, days: u32) -> Result<CertificateFiles, CertError> {
    let files = CertificateFiles::authority(dir);
    refuse_overwriting(
        &files,
        ": every certificate of its cluster hangs on it; name another directory with --out",
    )?;
    let key = KeyPair::generate()?;
    // Two clusters' authorities must not have the same name: a verifier picks by name.
    #[allow(clippy::disallowed_methods, reason = "no server makes an authority")]
    let common_name = format!("Quorid cluster CA {:08x}", rand::random::<u32>());
    let mut params = params(&common_name, AUTHORITY_UNIT, expiry(days));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let certificate = params.self_signed(&key)?;
    write_pair(&files, &key, &certificate.pem(), false)?;
    Ok(files)
}

/// Makes the certificate of the server `name`, which clients reach as any of `hosts`.
pub fn make_server(
    name: &str,
    hosts: &[String],
    options: &LeafOptions,
) -> Result<CertificateFiles, CertError> {
    if !is_host_label(name) || name == AUTHORITY_NAME {
        return Err(CertError::ServerName {
            name: name.to_owned(),
        });
    }
    if hosts.is_empty() {
        return Err(CertError::NoHost {
            name: name.to_owned(),
        });
    }
    let mut alternatives = hosts
        .iter()
        .map(|host| host_name(host))
        .collect::<Result<Vec<_>, _>>()?;
    alternatives.push(host_name(&peer_server_name(name))?);
    make_leaf(name, SERVER_UNIT, options, |params| {
        params.subject_alt_names = alternatives;
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
    })
}

/// Makes the certificate of the operator `name`, who may do everything.
pub fn make_operator(name: &str, options: &LeafOptions) -> Result<CertificateFiles, CertError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '@' | '-');
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if name.len() > 63 || !begins_well || !name.chars().all(fits) || name == AUTHORITY_NAME {
        return Err(CertError::OperatorName {
            name: name.to_owned(),
        });
    }
    make_leaf(name, OPERATOR_UNIT, options, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    })
}

fn make_leaf(
    name: &str,
    unit: &str,
    options: &LeafOptions,
    shape: impl FnOnce(&mut CertificateParams),
) -> Result<CertificateFiles, CertError> {
    let files = CertificateFiles::named(&options.out_dir, name);
    if !options.force {
        refuse_overwriting(&files, "; replace it with --force")?;
    }
    let (issuer, authority_expiry) = read_authority(&options.ca_dir)?;
    let key = KeyPair::generate()?;
    let mut params = params(name, unit, expiry(options.days).min(authority_expiry));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    shape(&mut params);
    let certificate = params.signed_by(&key, &issuer)?;
    write_pair(&files, &key, &certificate.pem(), options.force)?;
    Ok(files)
}

/// The authority in `dir`, ready to sign, and when it expires, seconds since 1970.
fn read_authority(dir: &Path) -> Result<(Issuer<'static, KeyPair>, u64), CertError> {
    let files = CertificateFiles::authority(dir);
    let unusable = |error| CertError::Authority { error };
    let certificate_error = |problem| {
        unusable(PemError::new(
            "the CA certificate",
            &files.certificate,
            problem,
        ))
    };
    let certificates = pem::certificates("the CA certificate", &files.certificate);
    let certificate = certificates.map_err(unusable)?.swap_remove(0);
    let facts = facts(&certificate).map_err(certificate_error)?;
    let key = pem::private_key(&files.key).map_err(unusable)?;
    let expires = u64::try_from(facts.not_after).unwrap_or(0);
    if expires <= now() {
        return Err(CertError::AuthorityExpired {
            path: files.certificate,
        });
    }
    let key = KeyPair::try_from(&key)
        .map_err(|error| unusable(PemError::new("the private key", &files.key, error)))?;
    if facts.public_key != key.public_key_raw() {
        return Err(CertError::AuthorityMismatch {
            certificate: files.certificate,
            key: files.key,
        });
    }
    let issuer = Issuer::from_ca_cert_der(&certificate, key)
        .map_err(|error| certificate_error(error.to_string()))?;
    Ok((issuer, expires))
}

fn params(common_name: &str, unit: &str, expires: u64) -> CertificateParams {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, common_name);
    subject.push(DnType::OrganizationalUnitName, unit);
    let mut params = CertificateParams::default();
    params.distinguished_name = subject;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(now()).saturating_sub(CLOCK_SKEW);
    params.not_after = epoch + Duration::from_secs(expires);
    params
}

#[allow(clippy::disallowed_methods, reason = "no server makes certificates")]
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

fn expiry(days: u32) -> u64 {
    now() + u64::from(days.clamp(1, DAYS_MAX)) * 86_400
}

fn host_name(host: &str) -> Result<SanType, CertError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let invalid = || CertError::Host {
        host: host.to_owned(),
    };
    let lower = host.to_ascii_lowercase();
    // All digits and dots, yet no address: a mistyped one rather than a host name.
    let numeric = lower.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if lower.len() > 253 || numeric || !lower.split('.').all(is_host_label) {
        return Err(invalid());
    }
    lower
        .as_str()
        .try_into()
        .map(SanType::DnsName)
        .map_err(|_| invalid())
}

fn refuse_overwriting(files: &CertificateFiles, remedy: &'static str) -> Result<(), CertError> {
    for path in [&files.key, &files.certificate] {
        if path.symlink_metadata().is_ok() {
            return Err(CertError::Exists {
                path: path.clone(),
                remedy,
            });
        }
    }
    Ok(())
}

fn write_pair(
    files: &CertificateFiles,
    key: &KeyPair,
    certificate: &str,
    force: bool,
) -> Result<(), CertError> {
    write_file(&files.key, &key.serialize_pem(), 0o600, force)?;
    write_file(&files.certificate, certificate, 0o644, force)
}

fn write_file(path: &Path, content: &str, mode: u32, force: bool) -> Result<(), CertError> {
    put_in_place(path, content, mode, force).map_err(|error| CertError::Write {
        path: path.to_owned(),
        error,
    })
}

/// Written under another name, synced, then renamed: nobody sees half a file.
fn put_in_place(path: &Path, content: &str, mode: u32, force: bool) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let mut file = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(mode))
        .tempfile_in(dir)?;
    file.write_all(content.as_bytes())?;
    file.as_file().sync_all()?;
    if force {
        file.persist(path)?;
    } else {
        file.persist_noclobber(path)?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests;
