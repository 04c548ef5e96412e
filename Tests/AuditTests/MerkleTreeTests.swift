// The tree against RFC 6962: the vectors that Certificate Transparency's own tests use, and the definition itself.

import Crypto
import Ground
import Testing

@testable import Audit

@Suite("The Merkle tree")
struct MerkleTreeTests {
    /// Inputs and roots of the reference implementation (certificate-transparency, merkletree tests).
    private static let leaves = [
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    ]
    private static let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]

    @Test("its roots are those of RFC 6962, from the empty tree on")
    func vectors() throws {
        var tree = MerkleTree()
        #expect(Hex.text(tree.root) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        for (leaf, root) in zip(Self.leaves, Self.roots) {
            let bytes = try #require(Hex.bytes(leaf))
            tree.append(bytes.span)
            #expect(Hex.text(tree.root) == root)
        }
        #expect(tree.size == 8 && tree.peaks.count == 1)
    }

    /// The definition, word by word.
    private func root(_ leaves: ArraySlice<[UInt8]>) -> [UInt8] {
        switch leaves.count {
        case 0: return Array(SHA256.hash(data: [UInt8]()))
        case 1: return Array(SHA256.hash(data: [0] + leaves[leaves.startIndex]))
        default:
            var half = 1
            while half * 2 < leaves.count { half *= 2 }
            let (left, right) = (leaves.prefix(half), leaves.dropFirst(half))
            return Array(SHA256.hash(data: [1] + root(left) + root(right)))
        }
    }

    @Test("it agrees with the definition for every size, and goes on from its peaks")
    func definition() throws {
        let leaves = (0..<70).map { Array("record \($0)".utf8) }
        var tree = MerkleTree()
        for (index, leaf) in leaves.enumerated() {
            #expect(tree.root == root(leaves.prefix(index)))
            // As a retired record holds it.
            tree = try #require(MerkleTree(size: tree.size, peaks: tree.peaks))
            tree.append(leaf.span)
        }
        #expect(tree.root == root(leaves[...]))
        #expect(MerkleTree(size: 3, peaks: tree.peaks.dropLast(2) + []) == nil, "3 has two peaks")
        #expect(MerkleTree(size: 1, peaks: [[1, 2, 3]]) == nil)
    }
}
