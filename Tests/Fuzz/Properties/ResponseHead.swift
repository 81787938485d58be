// SPDX-License-Identifier: Apache-2.0

import Bytes
import Platform

@testable import HTTP

extension Property {
    /// An upstream's answer, head and body, is the same whole and in pieces, and never longer than allowed.
    package static let responseHead = Property("ResponseHead") { (bytes) throws(Broken) -> Bool in
        var accepted = false
        for method in [Method.get, .head] {
            let whole = Reading([bytes], method)
            let cut = Reading(pieces(bytes), method)
            try demand(whole.hasFailed == cut.hasFailed, "refused whole or in pieces, but not both")
            try demand(whole.hasFailed || whole.body == cut.body, "in pieces, the body differs")
            try demand(whole.hasFailed || whole.isAtEnd == cut.isAtEnd, "in pieces, the end differs")
            try demand(whole.hasFailed || whole.isClean == cut.isClean, "in pieces, the rest differs")
            try demand(cut.body.count <= Reading.bodyBytesMax, "a body longer than bodyBytesMax")
            if let head = whole.head {
                accepted = true
                try checkHead(head, method)
            }
        }
        if let head = try? ResponseHead(parsing: bytes, method: .get) {
            guard let plain = PlainHead(bytes) else { throw Broken("a head without an end") }
            try demand(plain.fields.count == head.fields.count, "a plain reader sees other fields")
            let framings = plain.values("content-length").count + plain.values("transfer-encoding").count
            try demand(framings <= 1 || head.status.forbidsBody, "framed twice")
            return true
        }
        return accepted
    }

    private static func checkHead(_ head: ResponseHead, _ method: Method) throws(Broken) {
        try demand((200...599).contains(head.status.code), "a status of \(head.status.code)")
        try demand(head.fields.allSatisfy { $0.name.isOneLine && $0.value.isOneLine }, "a control in a field")
        try demand(method != .head || head.framing == .none, "an answer to HEAD with a body")
        try demand(head.framing != .untilClose || !head.keepsAlive, "kept alive behind a body without an end")
        if case .length(let count) = head.framing { try demand(count > 0, "a negative length") }
        // Handed on to a client, it is still one head.
        var output: [UInt8] = []
        MessageEncoder.appendHead(
            head.status, head.fields, .length(3), .implied, date: DateLine(WallTime(seconds: 0)), to: &output)
        let again = try? ResponseHead(parsing: output, method: .get)
        let isFull = head.fields.count + 3 > ResponseHead.Limits().fieldsMax
        try demand(isFull || head.status.forbidsBody || again?.framing == .length(3), "written, it is framed otherwise")
        try demand(isFull || again?.status == head.status, "written, it is another answer")
    }
}

/// What a client makes of an answer that comes in these pieces.
private struct Reading {
    static let bodyBytesMax = 60

    var head: ResponseHead?
    var body: [UInt8] = []
    var hasFailed = false
    var isAtEnd = false
    var isClean = false

    init(_ pieces: [[UInt8]], _ method: Method) {
        var limits = ResponseHead.Limits()
        limits.headBytesMax = 200
        limits.fieldsMax = 5
        var reader = ResponseReader(answering: method, limits, bodyBytesMax: Self.bodyBytesMax)
        do throws(ClientFailure) {
            for piece in pieces {
                reader.receive(piece)
                if head == nil { head = try reader.nextHead() }
                guard head != nil else { continue }
                while let data = try reader.nextData() { body += data }
            }
        } catch {
            hasFailed = true
        }
        isAtEnd = reader.isAtEnd
        isClean = reader.isClean
    }
}
