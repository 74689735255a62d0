//! The cryptography behind TLS: ring, because it builds with a C compiler alone. Connections name it explicitly.

/// Makes ring the process's provider, for whatever asks rustls without naming one. Calling it again changes nothing.
pub fn install_crypto_provider() {
    // An error says that a provider is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(test)]
mod tests {
    #[test]
    fn rustls_has_a_provider_however_often_it_is_installed() {
        super::install_crypto_provider();
        super::install_crypto_provider();
        assert!(rustls::crypto::CryptoProvider::get_default().is_some());
    }
}
