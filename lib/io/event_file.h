// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "io/append_file.h"

namespace onestep::io {

/// A picture as it lies in a PNG file.
struct EncodedImage {
  int64_t height, width, channels;
  std::string png;
};

/// CRC-32C (Castagnoli, reflected polynomial 0x82f63b78), rotated and shifted as TFRecord wants it.
uint32_t masked_crc32c(std::string_view bytes);

/// A TensorBoard event file: TFRecords (length, its masked CRC, data, its masked CRC), each of one protobuf
/// message Event. The step axis is a number of the caller's, here images seen.
class EventFile {
 public:
  /// A new file events.out.tfevents.* in `folder`, which is made. Readers drop what older files there say of
  /// `first_step` and later ones. Throws FileError, as all below.
  EventFile(const std::filesystem::path& folder, int64_t first_step);

  /// Numbers by tag, as float32; NaN and infinities too.
  void scalars(int64_t step, const std::vector<std::pair<std::string, double>>& values);
  void image(int64_t step, const std::string& tag, const EncodedImage& image);
  /// Markdown.
  void text(int64_t step, const std::string& tag, const std::string& markdown);

 private:
  void record(const std::string& event);

  AppendFile file_;
};

}  // namespace onestep::io
