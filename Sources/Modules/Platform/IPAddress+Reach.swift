// SPDX-License-Identifier: Apache-2.0

/// How far an address reaches: what decides whether a request made for somebody else may go there.
package enum Reach: Hashable, Sendable {
    /// Any host of the Internet may answer.
    case global
    /// This machine: 127.0.0.0/8 and ::1.
    case loopback
    /// This link: 169.254.0.0/16 and fe80::/10.
    case linkLocal
    /// A cloud's service that hands credentials to whoever asks from inside.
    case metadata
    /// Somebody's own network: RFC 1918, RFC 4193 (fc00::/7), shared address space (RFC 6598), site-local.
    case privateUse
    /// No particular host: 0.0.0.0/8 and `::`, which Linux takes for this machine.
    case unspecified
    /// Groups and broadcast.
    case multicast
    /// Set apart for documentation, benchmarks, protocols or the future (RFC 6890).
    case reserved
}

extension IPAddress {
    /// How far the address reaches. An IPv6 address that stands for an IPv4 one (mapped, NAT64, 6to4, Teredo, ISATAP)
    /// reaches as far as that one, so that no notation goes around a refusal.
    package var reach: Reach {
        switch unwrapped {
        case .v4(let number): Self.reach(ofV4: number)
        case .v6(let high, let low): Self.reach(ofV6: high, low)
        }
    }

    /// 127.0.0.0/8, ::1, and what stands for them.
    package var isLoopback: Bool { reach == .loopback }

    /// The IPv4 address that this IPv6 address stands for, or the address itself.
    package var unwrapped: IPAddress {
        guard case .v6(let high, let low) = self else { return self }
        let tail = IPAddress.v4(UInt32(truncatingIfNeeded: low))
        switch (high, low >> 32) {
        // Mapped, ::ffff:0:0/96 (RFC 4291 §2.5.5.2), and its translated sister ::ffff:0:0:0/96 (RFC 2765).
        case (0, 0xFFFF), (0, 0xFFFF_0000): return tail
        // Compatible, ::/96 (deprecated); `::` and `::1` are themselves.
        case (0, 0) where low > 1: return tail
        // NAT64, 64:ff9b::/96 (RFC 6052).
        case (0x0064_FF9B_0000_0000, 0): return tail
        // ISATAP, interface identifier [02]00:5efe:a.b.c.d under any prefix (RFC 5214 §6.1).
        case (_, 0x0000_5EFE), (_, 0x0200_5EFE): return tail
        default: break
        }
        // 6to4, 2002:a.b.c.d::/48 (RFC 3056).
        if high >> 48 == 0x2002 { return .v4(UInt32(truncatingIfNeeded: high >> 16)) }
        // Teredo, 2001::/32, with the client's address inverted at the end (RFC 4380 §4).
        if high >> 32 == 0x2001_0000 { return .v4(~UInt32(truncatingIfNeeded: low)) }
        return self
    }

    private static func reach(ofV4 number: UInt32) -> Reach {
        func isIn(_ a: UInt32, _ b: UInt32, _ c: UInt32, _ d: UInt32, _ bits: UInt32) -> Bool {
            number >> (32 - bits) == (a << 24 | b << 16 | c << 8 | d) >> (32 - bits)
        }
        // AWS, GCP, Azure, OpenStack; AWS containers and pods; Alibaba; Oracle; Azure's wire server.
        if isIn(169, 254, 169, 254, 32) || isIn(169, 254, 170, 2, 32) || isIn(169, 254, 170, 23, 32)
            || isIn(100, 100, 100, 200, 32) || isIn(192, 0, 0, 192, 32) || isIn(168, 63, 129, 16, 32)
        {
            return .metadata
        }
        if isIn(0, 0, 0, 0, 8) { return .unspecified }
        if isIn(127, 0, 0, 0, 8) { return .loopback }
        if isIn(169, 254, 0, 0, 16) { return .linkLocal }
        if isIn(10, 0, 0, 0, 8) || isIn(172, 16, 0, 0, 12) || isIn(192, 168, 0, 0, 16) || isIn(100, 64, 0, 0, 10) {
            return .privateUse
        }
        if isIn(224, 0, 0, 0, 4) || isIn(255, 255, 255, 255, 32) { return .multicast }
        if isIn(192, 0, 0, 0, 24) || isIn(192, 0, 2, 0, 24) || isIn(192, 88, 99, 0, 24) || isIn(198, 18, 0, 0, 15)
            || isIn(198, 51, 100, 0, 24) || isIn(203, 0, 113, 0, 24) || isIn(240, 0, 0, 0, 4)
        {
            return .reserved
        }
        return .global
    }

    private static func reach(ofV6 high: UInt64, _ low: UInt64) -> Reach {
        // AWS (fd00:ec2::254 and, for pods, ::23), GCP (fd20:ce::254), Oracle (fd00:c1::a9fe:a9fe), Scaleway (fd00:42::42).
        switch (high, low) {
        case (0xFD00_0EC2_0000_0000, 0x254), (0xFD00_0EC2_0000_0000, 0x23), (0xFD20_00CE_0000_0000, 0x254),
            (0xFD00_00C1_0000_0000, 0xA9FE_A9FE), (0xFD00_0042_0000_0000, 0x42):
            return .metadata
        case (0, 0): return .unspecified
        case (0, 1): return .loopback
        default: break
        }
        if high >> 54 == 0xFE80 >> 6 { return .linkLocal }
        if high >> 57 == 0xFC00 >> 9 || high >> 54 == 0xFEC0 >> 6 { return .privateUse }
        if high >> 56 == 0xFF { return .multicast }
        // NAT64 of one's own, 64:ff9b:1::/48 (RFC 8215): it leads into the local network.
        if high >> 16 == 0x0064_FF9B_0001 { return .privateUse }
        // Only 2000::/3 is given out; in it, protocols (2001::/23), documentation (2001:db8::/32, 3fff::/20) and SRv6.
        if high >> 61 != 1 || high >> 41 == 0x2001_0000 >> 9 || high >> 32 == 0x2001_0DB8 || high >> 44 == 0x3FFF0 {
            return .reserved
        }
        return .global
    }
}
