// SPDX-License-Identifier: Apache-2.0

package import Platform

/// Who is at the other end of a connection.
package enum Peer: Hashable, Sendable {
    case address(SocketAddress)
    /// A process of this machine, as the kernel vouches for it (SO_PEERCRED, unix(7)).
    case unix(processID: Int32, userID: UInt32, groupID: UInt32)
}

/// What answers requests. A server has one; it is called on the server's loop, many times at once.
package protocol Responder: Sendable {
    /// Answers `request`. When it returns, the answer is finished; one that was begun and not finished is cut off, and
    /// one that was not begun becomes an empty 500. Neither object may be used afterwards.
    func respond(to request: Request, with response: ResponseWriter) async
}

/// Makes the answers that no responder makes: to malformed requests, and (with a nil defect and 500) in place of a
/// responder that gave none. So they can have the same shape and fields as all others.
/// The peer is `nil` where it is a proxy, which only hands on what another wrote.
package typealias DefectResponder = @Sendable (Status, RequestDefect?, Peer?) -> DefectAnswer

/// Fields and body of an answer that no responder makes.
package struct DefectAnswer: Sendable {
    package var fields: Fields
    package var body: [UInt8]

    package init(fields: Fields, body: [UInt8]) {
        self.fields = fields
        self.body = body
    }

    /// A line of plain text.
    package static func plain(_ status: Status, _ defect: RequestDefect?, _ peer: Peer?) -> DefectAnswer {
        DefectAnswer(
            fields: ["content-type": "text/plain; charset=utf-8"],
            body: Array(((defect?.message ?? "internal error") + "\n").utf8))
    }
}
