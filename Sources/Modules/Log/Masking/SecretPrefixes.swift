// SPDX-License-Identifier: Apache-2.0

import Bytes

/// How the keys of Gatehouse and of the common vendors begin, and what follows.
struct SecretPrefixes: Sendable {
    /// What a key is made of behind its prefix.
    enum Alphabet: Sendable {
        /// Letters, digits, `-`, `_`.
        case token
        /// The same and `.`.
        case dotted
        /// The same and `+`, `/`, `=`.
        case base64
        /// Sixteen digits, small or capital.
        case hex
        /// Capital letters and digits.
        case capital
        /// A path: the above and `/`.
        case path

        func contains(_ byte: UInt8) -> Bool {
            switch self {
            case .token: byte.isTokenByte
            case .dotted: byte.isTokenByte || byte == UInt8(ascii: ".")
            case .base64: byte.isTokenByte || ".+/=".utf8.contains(byte)
            case .hex: byte.hexDigitValue != nil
            case .capital: byte.isASCIIDigit || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
            case .path: byte.isTokenByte || byte == UInt8(ascii: "/")
            }
        }
    }

    struct Prefix: Sendable {
        let text: StaticString
        let alphabet: Alphabet
        /// Bytes behind the prefix, at least and at most.
        let count: ClosedRange<Int>
        /// True for what may stand within a longer word.
        let isAnywhere: Bool

        init(
            _ text: StaticString, _ alphabet: Alphabet, _ least: Int, most: Int = .max,
            anywhere isAnywhere: Bool = false
        ) {
            self.text = text
            self.alphabet = alphabet
            self.count = least...most
            self.isAnywhere = isAnywhere
        }
    }

    /// By their first byte: those of byte `b` are `entries[starts[b]..<starts[b + 1]]`, the longest first.
    let entries: [Prefix]
    let starts: [Int]
    /// The first two bytes of each, and of the words that introduce a secret.
    let pairs: Set<Int>

    init() {
        var buckets = [[Prefix]](repeating: [], count: 256)
        var pairs: Set<Int> = []
        for entry in Self.table {
            let (first, second) = entry.text.withUTF8Buffer { text in
                // Every prefix has two bytes and more.
                unsafe (text[0], text[1])
            }
            buckets[Int(first)].append(entry)
            pairs.insert(Int(first) << 8 | Int(second))
        }
        for word in ["Be", "be", "BE", "Ba", "ba", "BA", "ey"] {
            let bytes = Array(word.utf8)
            pairs.insert(Int(bytes[0]) << 8 | Int(bytes[1]))
        }
        // Discord's tokens begin with a number in base 64.
        for first in "MNO".utf8 { for second in "DTjz".utf8 { pairs.insert(Int(first) << 8 | Int(second)) } }
        entries = buckets.flatMap { $0.sorted { $0.text.utf8CodeUnitCount > $1.text.utf8CodeUnitCount } }
        starts = buckets.reduce(into: [0]) { starts, bucket in starts.append((starts.last ?? 0) + bucket.count) }
        self.pairs = pairs
    }

    private static let table: [Prefix] = [
        // Ours: twelve characters are the prefix that lists and logs show.
        Prefix("ghk_", .token, 12, anywhere: true), Prefix("ghs_", .token, 20), Prefix("ghr_", .token, 20),
        // Models.
        Prefix("sk-", .token, 16), Prefix("sk-proj-", .token, 12, anywhere: true), Prefix("csk-", .token, 20),
        Prefix("sk-ant-", .token, 12, anywhere: true), Prefix("sk-or-", .token, 12, anywhere: true),
        Prefix("sk-svcacct-", .token, 12, anywhere: true), Prefix("gsk_", .token, 20), Prefix("xai-", .token, 20),
        Prefix("pplx-", .token, 20), Prefix("hf_", .token, 20), Prefix("r8_", .token, 20), Prefix("nvapi-", .token, 20),
        Prefix("tvly-", .token, 16), Prefix("pcsk_", .token, 20), Prefix("lsv2_", .token, 20),
        Prefix("jina_", .token, 20),
        Prefix("fw_", .token, 20), Prefix("AIza", .token, 30), Prefix("ya29.", .base64, 20),
        Prefix("GOCSPX-", .token, 20),
        // Clouds.
        Prefix("AKIA", .capital, 16, most: 16), Prefix("ASIA", .capital, 16, most: 16),
        Prefix("dapi", .hex, 32, most: 34),
        Prefix("ABIA", .capital, 16, most: 16), Prefix("dop_v1_", .hex, 40), Prefix("doo_v1_", .hex, 40),
        Prefix("dor_v1_", .hex, 40), Prefix("hvs.", .token, 20), Prefix("hvb.", .token, 20),
        Prefix("tskey-", .token, 16),
        Prefix("sbp_", .hex, 32), Prefix("dp.pt.", .token, 20), Prefix("dp.st.", .dotted, 20), Prefix("pul-", .hex, 32),
        Prefix("pscale_tkn_", .dotted, 20), Prefix("pscale_pw_", .dotted, 20), Prefix("nfp_", .token, 30),
        Prefix("FlyV1 ", .base64, 20), Prefix("fo1_", .token, 20), Prefix("HRKU-", .token, 20),
        // Code.
        Prefix("ghp_", .token, 20), Prefix("gho_", .token, 20), Prefix("ghu_", .token, 20), Prefix("npm_", .token, 30),
        Prefix("github_pat_", .token, 20, anywhere: true), Prefix("glpat-", .dotted, 16), Prefix("gldt-", .token, 16),
        Prefix("glrt-", .dotted, 16), Prefix("glptt-", .token, 16), Prefix("glcbt-", .dotted, 16),
        Prefix("pypi-", .token, 40),
        Prefix("rubygems_", .hex, 32), Prefix("dckr_pat_", .token, 16), Prefix("dckr_oat_", .token, 16),
        Prefix("ATATT3", .base64, 40), Prefix("ATBB", .token, 24), Prefix("figd_", .token, 20),
        Prefix("CFPAT-", .token, 30),
        Prefix("lin_api_", .token, 20), Prefix("sgp_", .token, 32), Prefix("PMAK-", .token, 30),
        Prefix("bkua_", .hex, 32),
        Prefix("sntrys_", .base64, 20), Prefix("sntryu_", .token, 20), Prefix("glc_", .base64, 30),
        Prefix("glsa_", .token, 30),
        Prefix("NRAK-", .token, 20), Prefix("ntn_", .token, 30), Prefix("AGE-SECRET-KEY-1", .capital, 30),
        Prefix("CCIPAT_", .token, 30), Prefix("ops_ey", .base64, 40), Prefix("cio", .token, 32, most: 32),
        // Messages.
        Prefix("xoxb-", .token, 16, anywhere: true), Prefix("xoxp-", .token, 16, anywhere: true),
        Prefix("xoxa-", .token, 16, anywhere: true), Prefix("xoxr-", .token, 16, anywhere: true),
        Prefix("xoxs-", .token, 16, anywhere: true), Prefix("xoxe-", .token, 16, anywhere: true),
        Prefix("xoxe.", .dotted, 16, anywhere: true), Prefix("xapp-", .token, 16, anywhere: true),
        Prefix("SG.", .dotted, 40),
        Prefix("hooks.slack.com/services/", .path, 20), Prefix("discord.com/api/webhooks/", .path, 30),
        Prefix("SK", .hex, 32, most: 32), Prefix("re_", .token, 24, most: 40),
        Prefix("EAA", .token, 60), Prefix("IGQV", .token, 60), Prefix("shpat_", .hex, 32), Prefix("shpca_", .hex, 32),
        Prefix("shppa_", .hex, 32), Prefix("shpss_", .hex, 32),
        // Payments.
        Prefix("sk_live_", .token, 10, anywhere: true), Prefix("sk_test_", .token, 10, anywhere: true),
        Prefix("rk_live_", .token, 10, anywhere: true), Prefix("rk_test_", .token, 10, anywhere: true),
        Prefix("whsec_", .base64, 16), Prefix("APP_USR-", .token, 30), Prefix("TEST-", .token, 50),
        Prefix("pdl_live_", .token, 20), Prefix("pdl_sdbx_", .token, 20), Prefix("pdl_ntfset_", .token, 20),
        Prefix("sq0atp-", .token, 20), Prefix("sq0csp-", .token, 30), Prefix("EAAA", .token, 50),
        Prefix("access-live-", .token, 30), Prefix("access-production-", .token, 30), Prefix("FLWSECK", .token, 20),
    ]
}
