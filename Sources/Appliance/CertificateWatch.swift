// SPDX-License-Identifier: Apache-2.0

import Platform

/// Notices that the files of the certificate and its key have been replaced, by looking at them now and then.
///
/// It looks at what the paths lead to, through every symbolic link, so that a file written in place, one renamed over
/// another (acme.sh), a link that was swapped (certbot) and a whole directory that was (Kubernetes) are all the same to
/// it; inotify(7) would want a watch on each directory of the way, and says nothing on network file systems.
///
/// A value without a clock or a file in it: `look` is told what is there, and says what to do.
struct CertificateWatch {
    /// What the two paths lead to; `nil` where there is no such file now.
    struct Pair: Equatable {
        let certificate: FileStatus?
        let key: FileStatus?

        init(_ certificate: FileStatus?, _ key: FileStatus?) {
            self.certificate = certificate
            self.key = key
        }

        init(_ files: (certificate: String, key: String)) {
            certificate = try? FileStatus(path: files.certificate)
            key = try? FileStatus(path: files.key)
        }
    }

    enum Action: Equatable {
        /// Nothing has changed, or what changed may go on changing.
        case wait
        /// Another pair is there, and has been for one interval: try it.
        case load
    }

    /// The time between two looks, and the least time for which a pair must have stood still before it is read: whoever
    /// writes two files one after the other is not caught between them.
    static let interval = Duration.milliseconds(500)

    /// What was last loaded, or tried: a pair that does not match is tried once, and complained about once.
    private var tried: Pair
    /// What was there at the last look.
    private var seen: Pair

    /// - Parameter pair: what is in use, looked at *before* it was read, so that a change meanwhile is found.
    init(using pair: Pair) {
        tried = pair
        seen = pair
    }

    mutating func look(_ pair: Pair) -> Action {
        defer { seen = pair }
        guard pair != tried, pair == seen else { return .wait }
        tried = pair
        return .load
    }
}
