// SPDX-License-Identifier: Apache-2.0

import Core

extension Media {
    /// An image or document given by address: a `data:` URL is taken apart (RFC 2397), others stay addresses.
    init(address: String) throws(Fault) {
        guard address.utf8.count >= 5, address.prefix(5).lowercased() == "data:" else {
            self = .url(address)
            return
        }
        let rest = address.utf8.dropFirst(5)
        guard let comma = rest.firstIndex(of: UInt8(ascii: ",")) else {
            throw Fault(.invalidParameter, "This data URL holds no data.", param: "")
        }
        let head = String(Substring(rest[..<comma])).lowercased()
        guard head.hasSuffix(";base64") else {
            throw Fault(.invalidParameter, "This data URL must be in base64.", param: "")
        }
        let mediaType = head.dropLast(7).prefix { $0 != ";" }
        self = .base64(
            String(Substring(rest[rest.index(after: comma)...])),
            mediaType: mediaType.isEmpty ? "application/octet-stream" : String(mediaType))
    }

    /// A document given as `data:` URL, as address or as base64 alone; the last is taken for a PDF, which is what OpenAI's
    /// `file_data` holds.
    init(file: String) throws(Fault) {
        if file.utf8.prefix(16).contains(UInt8(ascii: ":")) {
            try self.init(address: file)
        } else {
            self = .base64(file, mediaType: "application/pdf")
        }
    }

    /// The media as an address: what OpenAI's protocol takes. nil for plain text.
    var address: String? {
        switch self {
        case .url(let url): url
        case .base64(let data, let mediaType): "data:\(mediaType);base64,\(data)"
        case .text: nil
        }
    }
}
