// SPDX-License-Identifier: Apache-2.0

import Crypto
import Platform
package import TLS

/// A fresh self-signed certificate for `localhost` and 127.0.0.1, as a server's context.
package func throwawayServerContext(names: [String] = ["localhost", "127.0.0.1"]) throws -> TLSServerContext {
    let certificate = try SelfSignedCertificate(names: names, at: .now())
    return try TLSServerContext(certificate: certificate.certificatePEM, key: certificate.keyPEM)
}
