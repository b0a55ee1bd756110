// SPDX-License-Identifier: Apache-2.0
#include <fstream>

#include <catch2/catch.hpp>

#include "io/file_error.h"
#include "io/sha256.h"
#include "temporary_folder.h"

using namespace onestep;

TEST_CASE("SHA-256 of the standard's examples") {
  CHECK(io::sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(io::sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(io::sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(io::sha256(std::string(1000000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("SHA-256 of a file is that of its bytes, also at block and buffer edges") {
  const TemporaryFolder folder;
  for (const size_t size : {0, 55, 56, 64, 1 << 20, (1 << 20) + 1}) {
    CAPTURE(size);
    const std::string bytes(size, 'x');
    std::ofstream(folder / "f", std::ios::binary) << bytes;
    CHECK(io::sha256_of_file(folder / "f") == io::sha256(bytes));
  }
  CHECK_THROWS_AS(io::sha256_of_file(folder / "none"), io::FileError);
}
