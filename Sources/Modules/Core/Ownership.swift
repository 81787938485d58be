// SPDX-License-Identifier: Apache-2.0

/// Whose of a tenant's threads, files and runs are meant. An owner is whoever began a thing: a key or a person, by its id.
package enum Owners: Equatable, Sendable {
    /// Everybody's of the tenant.
    case everybody
    /// One person's, or one key's.
    case one(String)
    /// What any key began.
    case keys
    /// What programs began, and no page: whoever reads a page has its key, and could take a name first.
    case programs

    /// How owners begin that are people, and keys that stand in a page. Ids of keys begin otherwise.
    package static let personPrefix = "usr_"
    package static let pagePrefix = "page:"

    /// Whether a thing of this owner is meant.
    package func include(_ owner: String) -> Bool {
        switch self {
        case .everybody: true
        case .one(let id): owner == id
        case .keys: !owner.hasPrefix(Self.personPrefix)
        case .programs: !owner.hasPrefix(Self.personPrefix) && !owner.hasPrefix(Self.pagePrefix)
        }
    }
}

/// Which of its tenant's threads, files and runs a caller gets to. What it does not get to does not exist for it: 404.
///
/// One value, asked by every route that has to do with such things, and composed by Appliance: so a test can compose a server
/// without it.
package struct OwnershipRule: Sendable {
    /// What is read, listed, changed and deleted by its id: all of the tenant's for its admins, and for keys, which only
    /// admins make and which have scopes for it; their own for members.
    package let reached: @Sendable (Principal) -> Owners
    /// What is found by a name that clients choose (a correlation id, a message's own id), and so can be guessed, or taken
    /// first to have others' words appended to one's own thread. A person's own; for a program what programs began; and a key
    /// that stands in a page for everybody to read finds only what it began itself.
    package let named: @Sendable (Principal) -> Owners

    package init(
        reached: @escaping @Sendable (Principal) -> Owners, named: @escaping @Sendable (Principal) -> Owners
    ) {
        (self.reached, self.named) = (reached, named)
    }

    /// The one of this house.
    package static let standard = OwnershipRule(
        reached: { principal in
            switch principal.kind {
            case .person(let id, let role): role >= .admin ? .everybody : .one(id.text)
            case .key: .everybody
            // Neither has a tenant; were they ever let here, they would find nothing.
            case .operator, .socketPeer: .one("")
            }
        },
        named: { principal in
            switch principal.kind {
            case .person(let id, _): .one(id.text)
            case .key: principal.isForPages ? .one(principal.owner) : .programs
            case .operator, .socketPeer: .one("")
            }
        })

    /// What a turn continues, or a run shows, by its id: a key needs only the scope `chat` for that, so people's threads are
    /// none of its business.
    package func continued(_ principal: Principal) -> Owners {
        guard principal.keyID != nil else { return reached(principal) }
        return principal.isForPages ? named(principal) : .keys
    }
}

extension Principal {
    /// As what it owns what it begins.
    package var owner: String {
        switch kind {
        case .key(let id, _): isForPages ? Owners.pagePrefix + id.text : id.text
        case .person(let id, _), .operator(let id): id.text
        case .socketPeer(let userID): "uid:\(userID)"
        }
    }
}
