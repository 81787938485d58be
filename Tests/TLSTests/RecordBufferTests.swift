// SPDX-License-Identifier: Apache-2.0
import COpenSSL
import Glibc
import Testing

struct RecordBufferTests {
    /// The tests of one thread begin with none.
    init() {
        while copenssl_kept_buffers() > 0 { unsafe free(copenssl_allocate(17_000, nil, 0)) }
    }

    @Test func `a buffer of a record is given out again, and other memory is not kept`() {
        unsafe copenssl_release(copenssl_allocate(1_000, nil, 0), nil, 0)
        #expect(copenssl_kept_buffers() == 0)
        let first = unsafe copenssl_allocate(16_700, nil, 0)
        let second = unsafe copenssl_allocate(16_500, nil, 0)
        #expect(unsafe first != second)
        unsafe copenssl_release(first, nil, 0)
        unsafe copenssl_release(second, nil, 0)
        #expect(copenssl_kept_buffers() == 2)
        #expect(unsafe copenssl_allocate(18 << 10, nil, 0) == second)
        #expect(unsafe copenssl_allocate(16 << 10, nil, 0) == first)
        #expect(copenssl_kept_buffers() == 0)
        unsafe copenssl_release(first, nil, 0)
        unsafe copenssl_release(copenssl_reallocate(second, 100, nil, 0), nil, 0)
        #expect(copenssl_kept_buffers() == 1)
        #expect(unsafe copenssl_reallocate(copenssl_allocate(17_000, nil, 0), 0, nil, 0) == nil)
        #expect(copenssl_kept_buffers() == 1)
    }

    @Test func `no more are kept than said, and nothing is nothing`() {
        let all = unsafe (0..<40).map { _ in unsafe copenssl_allocate(17_000, nil, 0) }
        for index in 0..<40 { unsafe copenssl_release(all[index], nil, 0) }
        #expect(copenssl_kept_buffers() == 32)
        #expect(unsafe copenssl_allocate(0, nil, 0) == nil)
        copenssl_release(nil, nil, 0)
    }
}
