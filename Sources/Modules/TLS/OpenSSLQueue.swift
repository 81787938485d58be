// SPDX-License-Identifier: Apache-2.0
import COpenSSL

/// OpenSSL's queue of errors, one a thread. It is emptied before each call whose result is looked up in it, since
/// SSL_get_error(3) takes an old entry for its own.
enum OpenSSLQueue {
    static func clear() {
        // Emptying visits all entries; asking whether there is one does not, and there hardly ever is.
        if ERR_peek_error() != 0 { ERR_clear_error() }
    }

    /// The reason of the oldest entry, a text fixed in the library: it tells what, never a value. Empties the queue.
    static func take() -> String {
        let code = ERR_get_error()
        ERR_clear_error()
        // SAFETY: the function returns null or static, zero-terminated text.
        guard code != 0, let text = unsafe ERR_reason_error_string(code) else { return "unknown error" }
        return unsafe String(cString: text)
    }

    /// True when the newest entry only says that a PEM file has ended.
    static var isEndOfPEM: Bool {
        copenssl_is_end_of_pem(ERR_peek_last_error()) == 1
    }
}
