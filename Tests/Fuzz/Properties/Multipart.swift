// SPDX-License-Identifier: Apache-2.0

import Bytes
import Core

@testable import HTTP
@testable import Nodes

extension Property {
    /// A form with files is the same however it is cut, and has the parts that a reader finds who cuts it at every delimiter.
    /// The first line of the input is the content type, the rest is the body.
    package static let multipart = Property("Multipart") { (bytes) throws(Broken) -> Bool in
        let typeEnd = bytes.firstIndex(of: 0x0A) ?? bytes.count
        let type = String(decoding: bytes[..<typeEnd], as: UTF8.self)
        guard let boundary = MultipartParser.boundary(of: type) else { return false }
        try demand((1...70).contains(boundary.utf8.count), "a boundary of \(boundary.utf8.count) bytes")
        let body = Array(bytes.dropFirst(typeEnd + 1))
        let cut = pieces(body)
        let form = Form([body], boundary)
        try demand(Form(cut, boundary) == form, "in pieces, another form")
        try demand(form.parts.count <= MultipartLimits.partsMax, "more parts than partsMax")
        let upload = try Upload([body], type)
        try demand(Upload(cut, type) == upload, "in pieces, another upload")
        guard form.defect == nil else {
            try demand(upload.filename == nil, "an upload out of no form")
            return false
        }
        let contents = plainContents(body, Array("\r\n--\(boundary)".utf8))
        try demand(contents == form.parts.map(\.content), "a plain reader sees other parts")
        if upload.filename != nil {
            let file = form.parts.first { $0.head.name == "file" }
            try demand(upload.content == file?.content, "the upload is not the form's file")
            try demand(upload.filename?.isOneLine == true, "a file's name of several lines")
        }
        return true
    }

    /// What stands between the empty line of each part's head and the next delimiter, wherever the delimiter stands.
    private static func plainContents(_ body: [UInt8], _ delimiter: [UInt8]) -> [[UInt8]] {
        var segments: [[UInt8]] = [[]]
        var rest = ([0x0D, 0x0A] + body)[...]
        while let byte = rest.first {
            if rest.starts(with: delimiter) {
                segments.append([])
                rest = rest.dropFirst(delimiter.count)
            } else {
                segments[segments.count - 1].append(byte)
                rest = rest.dropFirst()
            }
        }
        return segments.dropFirst().prefix { !$0.starts(with: "--".utf8) }.map { segment in
            let end = segment.span.firstRange(of: Array("\r\n\r\n".utf8).span)?.upperBound ?? segment.count
            return Array(segment[end...])
        }
    }
}

/// What the parser makes of a body.
private struct Form: Equatable {
    struct Part: Equatable {
        let head: MultipartPart
        var content: [UInt8] = []
    }

    var parts: [Part] = []
    var defect: MultipartDefect?

    init(_ pieces: [[UInt8]], _ boundary: String) {
        var parser = MultipartParser(boundary: boundary)
        do throws(MultipartDefect) {
            for piece in pieces {
                parser.append(piece)
                while let event = try parser.next() {
                    switch event {
                    case .part(let head): parts.append(Part(head: head))
                    case .data(let data): parts[parts.count - 1].content += data
                    case .endOfPart, .end: break
                    }
                }
            }
            try parser.finish()
        } catch {
            defect = error
        }
    }
}

/// What an upload makes of a body.
private struct Upload: Equatable {
    var filename: String?
    var content: [UInt8] = []
    var message: String?

    init(_ pieces: [[UInt8]], _ type: String) throws(Broken) {
        let bytesMax = 100
        do throws(Failure) {
            var form = try UploadForm(contentType: type, fileBytesMax: bytesMax)
            for piece in pieces { content += try form.take(piece).joined() }
            content += try form.finish()
            filename = form.filename
        } catch {
            message = error.message
            content = []
        }
        try demand(content.count <= bytesMax, "a file longer than fileBytesMax")
    }
}
