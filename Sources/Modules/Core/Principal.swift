// SPDX-License-Identifier: Apache-2.0

import Bytes
package import Synchronization

extension Hasher {
    /// Takes the last eight bytes of an id of ours. They are random, five bits each, so they tell a million ids apart; the
    /// whole text costs five times as much, several times for each request. (No id is made of what a client sends.)
    fileprivate mutating func combine(id: String) {
        let bytes = id.utf8.span
        combine(bytes.count >= 8 ? bytes.word(at: bytes.count - 8) : UInt64(bytes.count))
    }
}

/// The id of a tenant (`ten_` and a ULID). A type of its own, so that no other string can stand where a tenant is meant.
package struct TenantID: Hashable, Sendable {
    package let text: String

    package init(_ text: String) {
        self.text = text
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(id: text) }
}

/// The id of an API key (`key_` and a ULID). It names the key and opens nothing.
package struct KeyID: Hashable, Sendable {
    package let text: String

    package init(_ text: String) {
        self.text = text
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(id: text) }
}

/// The id of a person (`usr_` and a ULID): somebody of a tenant, or an operator of the appliance.
package struct UserID: Hashable, Sendable {
    package let text: String

    package init(_ text: String) {
        self.text = text
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(id: text) }
}

/// The id of a session (`ses_` and a ULID): one log-in of one person, on one device.
package struct SessionID: Hashable, Sendable {
    package let text: String

    package init(_ text: String) {
        self.text = text
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(id: text) }
}

/// What a person may do in a tenant. The order of the cases is the order of the rights: each has those of the ones before.
package enum Role: String, CaseIterable, Comparable, Sendable {
    case member
    case admin
    case owner

    package static func < (left: Role, right: Role) -> Bool { left.rank < right.rank }

    private var rank: Int {
        switch self {
        case .member: 0
        case .admin: 1
        case .owner: 2
        }
    }
}

/// What the limiter counts of a principal; its own business.
package protocol Counters: AnyObject, Sendable {}

/// Who is calling, as the authenticator found it. Only an authenticator makes one from a credential, and only the admin
/// socket from its peer. An object, since it goes from hand to hand and never changes.
package final class Principal: Sendable {
    /// What kind of caller this is.
    package enum Kind: Sendable, Equatable {
        /// A program with an API key.
        case key(KeyID, prefix: String)
        /// Somebody of a tenant who has logged in.
        case person(UserID, role: Role)
        /// An operator of the appliance who has logged in; of no tenant.
        case `operator`(UserID)
        /// A process at the admin socket, by the user id the kernel vouches for (`SO_PEERCRED`, unix(7)).
        case socketPeer(userID: UInt32)
    }

    package let kind: Kind
    /// The tenant whose data this principal may touch; `nil` for the operator, who owns none.
    package let tenant: TenantID?
    /// What it may do.
    package let scopes: Scopes
    /// The models it may name; `nil` for all.
    package let models: Set<String>?
    /// Whether this is somebody who must set up a second factor before anything else.
    package let mustEnroll: Bool
    /// The nodes it may use, by id or alias; `nil` for all.
    package let nodes: Set<String>?
    /// From where it may call; `nil` for anywhere. An authenticator asks them.
    package let places: CallPlaces?
    /// What its streamed answers hang on; `nil` for one that nobody revokes.
    package let lifeline: Lifeline?
    /// The session of a person; `nil` for keys and the admin socket.
    package let session: SessionID?
    /// What counts its requests, once found: an authenticator that makes a principal once spares the limiter two look-ups
    /// with each request. The limiter's alone; guards the reference.
    package let counters = Mutex<(any Counters)?>(nil)

    package init(
        kind: Kind, tenant: TenantID?, scopes: Scopes, models: Set<String>? = nil, nodes: Set<String>? = nil,
        places: CallPlaces? = nil, lifeline: Lifeline? = nil, mustEnroll: Bool = false, session: SessionID? = nil
    ) {
        self.kind = kind
        self.tenant = tenant
        self.scopes = scopes
        self.models = models
        self.mustEnroll = mustEnroll
        self.nodes = nodes
        self.places = places
        self.lifeline = lifeline
        self.session = session
    }

    /// The person's id, if one is calling.
    package var userID: UserID? {
        switch kind {
        case .person(let id, _), .operator(let id): id
        case .key, .socketPeer: nil
        }
    }

    /// Whether it is a key that stands in a page, for everybody to read.
    package var isForPages: Bool { places.map { !$0.origins.isEmpty } ?? false }

    /// Under which id its requests are counted: its key's, or the person's.
    package var accountID: KeyID? { keyID ?? userID.map { KeyID($0.text) } }

    /// The key's id, if a key is calling.
    package var keyID: KeyID? {
        if case .key(let id, _) = kind { id } else { nil }
    }

    /// What the log calls it: the shown prefix of its key, which opens nothing, or a person's id, which says no name.
    package var name: String {
        switch kind {
        case .key(_, let prefix): prefix
        case .person(let id, _), .operator(let id): id.text
        case .socketPeer(let userID): "uid \(userID)"
        }
    }

    /// Whether this principal may name a model. Asked before the model is looked up, so that a key learns nothing about
    /// models outside its list.
    package func mayUse(model: String) -> Bool {
        models?.contains(model) ?? true
    }

    /// Whether this principal may use a node: one bound to nodes those, one bound to models what stands among them as clients
    /// name nodes.
    package func mayUse(node id: String, alias: String) -> Bool {
        if let nodes, nodes.contains(alias) || nodes.contains(id) { return true }
        guard nodes == nil || models != nil else { return false }
        return mayUse(model: "node/\(alias)")
    }
}
