// SPDX-License-Identifier: Apache-2.0

import Bytes
import Glibc
import JSON
import Platform
import Testing

@testable import Gateway

/// A file of `Tests/Vectors/gateway`: settings as `name: value` lines, then sections headed by `---- name`.
///
/// With `GATEHOUSE_RECORD=1` in the environment a test writes the sections that are missing; whoever records reads them
/// before committing.
struct Golden: CustomTestStringConvertible, Sendable {
    let path: String
    var settings: [String: String] = [:]
    var sections: [(name: String, text: String)] = []

    var testDescription: String { String(path.split(separator: "/").last ?? "") }

    static let isRecording = unsafe getenv("GATEHOUSE_RECORD") != nil

    /// Every file of a folder, in the order of the names.
    static func all(_ folder: String) -> [Golden] {
        let root = #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/Vectors/gateway/" + folder
        guard let handle = unsafe opendir(root) else { return [] }
        defer { unsafe closedir(handle) }
        var names: [String] = []
        while let entry = unsafe readdir(handle) {
            // The name ends with a NUL inside the entry, which lives until the next readdir(3).
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
            }
            if name.hasSuffix(".txt") { names.append(name) }
        }
        return names.sorted().map { Golden("\(root)/\($0)") }
    }

    private init(_ path: String) {
        self.path = path
        guard let bytes = try? AtomicFile.read(path: path, bytesMax: 1 << 20) else { return }
        var isHead = true
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("---- ") {
                isHead = false
                sections.append((String(line.dropFirst(5)), ""))
            } else if isHead, let colon = line.firstIndex(of: ":") {
                settings[String(line[..<colon])] = line[line.index(after: colon)...].drop { $0 == " " }.description
            } else if !sections.isEmpty {
                sections[sections.count - 1].text += line + "\n"
            }
        }
        for index in sections.indices where sections[index].text.hasSuffix("\n\n") {
            if sections[index].name.hasSuffix("json") { sections[index].text.removeLast() }
        }
    }

    subscript(_ name: String) -> String? { sections.first { $0.name == name }?.text }

    /// Appends a section to the file.
    func record(_ name: String, _ text: String) {
        guard let old = try? AtomicFile.read(path: path, bytesMax: 1 << 20) else { return }
        let new = old + Array("---- \(name)\n\(text)\n".utf8)
        try? AtomicFile.write(path: path, bytes: new, mode: 0o644)
    }
}

/// Parses a body as the server does.
func document(_ text: String) throws -> JSONDocument {
    try JSONDocument(parsing: Array(text.utf8))
}

func json(_ bytes: [UInt8]) throws -> JSONValue {
    try JSONValue(parsing: bytes)
}

func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
