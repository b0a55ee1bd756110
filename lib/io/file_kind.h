// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

namespace onestep::io {

/// What a file that is not what it should be seems to be instead, by its first bytes, for the end of a
/// message: "; it is a git-lfs pointer, not the file itself: run `git lfs pull`" and the like; "" where they
/// tell nothing.
std::string instead(std::string_view bytes);

/// Whether the file begins as a safetensors file does.
bool is_safetensors(std::string_view bytes);

/// How messages end about images that training does not take as they are.
inline constexpr const char* kConvertFirst = "; convert it first: onestep-data IN OUT.zip";

/// The same for what should be images: where the file may hold some, or tells nothing, the end is
/// kConvertFirst.
std::string instead_of_images(std::string_view bytes);

/// ".png" of "a/B.PNG".
std::string suffix_of(const std::filesystem::path& name);

/// .png, .jpg or .jpeg, in any case.
bool has_image_suffix(const std::filesystem::path& name);

}  // namespace onestep::io
