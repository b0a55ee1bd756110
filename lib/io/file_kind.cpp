// SPDX-License-Identifier: Apache-2.0
#include "io/file_kind.h"

#include <algorithm>
#include <cctype>
#include <iterator>

namespace onestep::io {
namespace {

using std::string_view_literals::operator""sv;

struct Magic {
  std::string_view begin;
  const char* is;
  const char* advice = "";
  bool images = false;  // as onestep-data reads them
  size_t at = 0;
};

constexpr const char* kUnpack = ": unpack it first";
constexpr const char* kPickle = ", which is a program and is not read";

constexpr Magic kMagics[]{
    {"version https://git-lfs.github.com/spec/"sv, "a git-lfs pointer, not the file itself",
     ": run `git lfs pull`"},
    {"\x89PNG\r\n\x1a\n"sv, "a PNG image", "", true},
    {"\xff\xd8\xff"sv, "a JPEG image", "", true},
    {"GIF8"sv, "a GIF image", "", true},
    {"WEBP"sv, "a WebP image", "", true, 8},
    {"ftypavif"sv, "an AVIF image", ": convert it to PNG", false, 4},
    {"ftyphei"sv, "a HEIC image", ": convert it to PNG", false, 4},
    {"II*\0"sv, "a TIFF image", "", true},
    {"MM\0*"sv, "a TIFF image", "", true},
    {"BM"sv, "a BMP image", "", true},
    {"\x93NUMPY"sv, "a NumPy array (.npy)", ": save it with numpy.savez as .npz"},
    {"PK\x03\x04"sv, "a zip archive (as .npz files, PyTorch's .pt and data sets are)", "", true},
    {"PK\x05\x06"sv, "an empty zip archive"},
    {"\x80\x02"sv, "a pickle (an old PyTorch or NumPy file)", kPickle, true},
    {"\x80\x03"sv, "a pickle", kPickle, true},
    {"\x80\x04"sv, "a pickle", kPickle, true},
    {"\x80\x05"sv, "a pickle", kPickle, true},
    {"\x1f\x8b"sv, "gzip-compressed", kUnpack, true},
    {"ustar"sv, "a tar archive", kUnpack, true, 257},
    {"7z\xbc\xaf\x27\x1c"sv, "a 7z archive", kUnpack},
    {"\xfd"
     "7zXZ"sv,
     "xz-compressed", kUnpack, true},
    {"\x28\xb5\x2f\xfd"sv, "zstd-compressed", kUnpack},
    {"\x89HDF\r\n\x1a\n"sv, "an HDF5 file"},
    {"GGUF"sv, "a GGUF file"},
    {"%PDF-"sv, "a PDF document"},
    {"\0\0\x08"sv, "an idx file (of the MNIST family)", "", true},
    {"\x7f"
     "ELF"sv,
     "a program"},
};

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

/// Servers answer with a page where there is no file.
bool is_html(std::string_view bytes) {
  const size_t begin = bytes.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return false;
  const std::string head = lower(std::string(bytes.substr(begin, 14)));
  return head.starts_with("<!doctype html") || head.starts_with("<html") || head.starts_with("<head");
}

const Magic* magic_of(std::string_view bytes) {
  const auto* found = std::ranges::find_if(kMagics, [&](const Magic& magic) {
    return bytes.size() > magic.at && bytes.substr(magic.at).starts_with(magic.begin);
  });
  return found == std::end(kMagics) ? nullptr : found;
}

}  // namespace

bool is_safetensors(std::string_view bytes) {
  return bytes.size() > 9 && bytes.substr(8, 2) == "{\"" && bytes.substr(5, 3) == "\0\0\0"sv;
}

std::string instead(std::string_view bytes) {
  if (const Magic* magic = magic_of(bytes)) return std::string("; it is ") + magic->is + magic->advice;
  if (is_html(bytes)) return "; it is an HTML page: the download answered with a page instead of the file";
  if (is_safetensors(bytes)) return "; it is a safetensors file";
  return "";
}

std::string instead_of_images(std::string_view bytes) {
  const Magic* magic = magic_of(bytes);
  if (magic != nullptr && magic->images) return std::string("; it is ") + magic->is + kConvertFirst;
  const std::string other = instead(bytes);
  return other.empty() ? kConvertFirst : other;
}

std::string suffix_of(const std::filesystem::path& name) {
  return lower(name.extension().string());
}

bool has_image_suffix(const std::filesystem::path& name) {
  const std::string suffix = suffix_of(name);
  return suffix == ".png" || suffix == ".jpg" || suffix == ".jpeg";
}

}  // namespace onestep::io
