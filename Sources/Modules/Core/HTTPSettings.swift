// SPDX-License-Identifier: Apache-2.0

import Configuration
package import HTTP
package import Platform

/// The section `[http]`: where the server listens, under which names, and how much of everything it takes.
package struct HTTPSettings: Sendable {
    /// `listen`: addresses that speak TLS.
    package let listen: [SocketAddress]
    /// `redirect`: addresses that speak plain HTTP and answer 308 and nothing else.
    package let redirect: [SocketAddress]
    /// `hosts` and `origins`: the names this server answers to, and the web origins that may call it.
    package let names: DoorPolicy.Names
    /// `loops`: event loops; 0 for one per core.
    package let loops: Int
    /// `drain_timeout`: how long requests under way may take to finish at a stop.
    package let drainTimeout: Duration
    package let limits: HTTPServerLimits
    package let tls: TLSSettings
    /// `trusted_proxies` and `proxy_protocol`; `nil` where none is trusted.
    package let proxies: TrustedProxies?

    /// More loops than this are refused: each has its own listeners and memory.
    package static let loopsMax = 256

    init(_ section: Section, mode: Mode, dataDirectory: String) throws(ConfigurationError) {
        let isDevelopment = mode == .development
        listen = try section.takeAddresses(
            "listen", default: isDevelopment ? Self.loopback(8443) : [.ip(.anyV6, port: 8443)])
        redirect = try section.takeAddresses(
            "redirect", default: isDevelopment ? Self.loopback(8080) : [.ip(.anyV6, port: 8080)])
        let hosts = try section.takeHosts("hosts", default: isDevelopment ? ["localhost", "127.0.0.1", "[::1]"] : [])
        let origins = try section.takeOrigins("origins", default: [])
        names = DoorPolicy.Names(hosts: Set(hosts), origins: Set(origins))
        loops = try section.takeInt("loops", in: 0...Self.loopsMax, default: 0)
        drainTimeout = try section.takeDuration("drain_timeout", in: .zero ... .seconds(3600), default: .seconds(30))
        limits = try HTTPServerLimits(section)
        tls = try TLSSettings(section, mode: mode, dataDirectory: dataDirectory)
        proxies = try Self.proxies(section)
        try check(section, mode: mode)
    }

    private static func proxies(_ section: Section) throws(ConfigurationError) -> TrustedProxies? {
        let key = "trusted_proxies"
        var ranges: [AddressRange] = []
        for text in try section.takeStrings(key, bytes: 1...64, count: 0...256, default: []) {
            guard let range = AddressRange(text) else {
                throw section.error(
                    at: key, "must be addresses or ranges of them", hint: "for example: [\"10.0.0.5\", \"10.1.0.0/16\"]"
                )
            }
            ranges.append(range)
        }
        let sendHeads = try section.takeBool("proxy_protocol", default: false)
        guard !ranges.isEmpty else {
            guard !sendHeads else {
                throw section.error(
                    at: "proxy_protocol", "nobody is named whose word would be believed",
                    hint: "name the proxies in trusted_proxies")
            }
            return nil
        }
        return TrustedProxies(sendHeads: sendHeads) { [ranges] address in ranges.contains { $0.contains(address) } }
    }

    /// What each key alone cannot tell.
    private func check(_ section: Section, mode: Mode) throws(ConfigurationError) {
        for (key, addresses) in [("listen", listen), ("redirect", redirect)] where mode == .development {
            guard addresses.allSatisfy({ $0.ip?.isLoopback ?? false }) else {
                throw section.error(
                    at: key, "development mode listens on loopback only",
                    hint: "use 127.0.0.1 or [::1], or set mode = \"production\"")
            }
        }
        var seen: Set<SocketAddress> = []
        for (key, addresses) in [("listen", listen), ("redirect", redirect)] {
            for address in addresses where address.port != 0 && !seen.insert(address).inserted {
                throw section.error(
                    at: key, "\(address) is named twice", hint: "listen and redirect need a port each")
            }
        }
        guard !names.hosts.isEmpty else {
            let hint = "the names this server answers to, for example: hosts = [\"ai.example.org\"]"
            guard section.contains("hosts") else { throw section.missing("hosts", hint: hint) }
            throw section.error(at: "hosts", "\"hosts\" must not be empty", hint: hint)
        }
    }

    private static func loopback(_ port: UInt16) -> [SocketAddress] {
        [SocketAddress.ip(.loopbackV4, port: port), .ip(.loopbackV6, port: port)]
    }
}

/// The table `[http] tls`.
package struct TLSSettings: Sendable, Equatable {
    /// The oldest version of TLS that is spoken.
    package enum Minimum: String, CaseIterable, Sendable {
        case tls12 = "1.2"
        case tls13 = "1.3"
    }

    /// `certificate`: file with the chain in PEM, leaf first.
    package let certificate: String
    /// `key`: file with the private key in PEM; must not be readable by others.
    package let key: String
    /// `minimum`
    package let minimum: Minimum
    /// Whether the certificate is ours to make: in development, where the file names none.
    package let isSelfSigned: Bool

    init(_ http: Section, mode: Mode, dataDirectory: String) throws(ConfigurationError) {
        let section = try http.takeSection("tls")
        let certificate = try section?.takeOptionalPath("certificate")
        let key = try section?.takeOptionalPath("key")
        minimum = try section?.takeEnum("minimum", default: .tls13) ?? .tls13
        switch (certificate, key) {
        case (let certificate?, let key?):
            self.certificate = certificate
            self.key = key
            isSelfSigned = false
        case (nil, nil) where mode == .development:
            self.certificate = dataDirectory + "/tls/certificate.pem"
            self.key = dataDirectory + "/tls/key.pem"
            isSelfSigned = true
        default:
            if let section, let absent = ["certificate", "key"].first(where: { !section.contains($0) }) {
                throw section.missing(absent, hint: "tls needs both a certificate and a key")
            }
            throw (section ?? http).error(
                "tls needs both a certificate and a key",
                hint: "tls = { certificate = \"/etc/gatehouse/tls/cert.pem\", key = \"/etc/gatehouse/tls/key.pem\" }")
        }
    }
}

extension HTTPServerLimits {
    /// The keys of `[http]` that bound what a client may send and how long it may take.
    init(_ section: Section) throws(ConfigurationError) {
        self.init()
        let times: ClosedRange<Duration> = .milliseconds(10) ... .seconds(3600)
        headBytesMax = try section.takeSize("head_bytes", in: 1024...1 << 20, default: headBytesMax)
        bodyBytesMax = try section.takeSize("body_bytes", in: 1024...1 << 30, default: bodyBytesMax)
        headTimeout = try section.takeDuration("head_timeout", in: times, default: headTimeout)
        bodyTimeout = try section.takeDuration("body_timeout", in: times, default: bodyTimeout)
        idleTimeout = try section.takeDuration("idle_timeout", in: times, default: idleTimeout)
        writeTimeout = try section.takeDuration("write_timeout", in: times, default: writeTimeout)
        connectionsMax = try section.takeInt("connections_max", in: 1...1_000_000, default: connectionsMax)
        connectionsPerAddressMax = try section.takeInt(
            "connections_per_address_max", in: 1...1_000_000, default: connectionsPerAddressMax)
    }
}
