// SPDX-License-Identifier: Apache-2.0
#include "fuzz/fuzz.h"
#include "io/zip_reader.h"
#include "io/zip_writer.h"

namespace onestep::fuzz {

void read(std::string_view bytes) {
  const std::filesystem::path path = as_file(bytes, ".zip");
  const io::MappedFile file(path);
  const io::ZipReader reader(path, file, "a zip archive");
  for (const io::ZipMember& member : reader.members()) {
    try {
      reader.read(member.index, /*limit=*/1 << 20);
    } catch (const io::ZipError&) {
    }
  }
}

std::vector<std::string> seeds() {
  std::vector<std::string> all = golden("npz", ".npz");  // deflated members
  std::erase_if(all, [](const std::string& bytes) { return bytes.size() > 4096; });
  all.push_back(written(".zip", [](const std::filesystem::path& path) {
    io::write_zip(path, {{"a/b.txt", "some text"}, {"../c", ""}});
  }));
  return all;
}

}  // namespace onestep::fuzz
