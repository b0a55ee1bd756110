// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>

#include "data/file_tree.h"
#include "data/image_files.h"
#include "io/cache.h"

namespace onestep {

/// What `decode` makes of the tree's files, kept in the cache: images, labels and PackedFacts in one file
/// that is mapped, so that starting costs a listing of the tree and processes share the pages. Its key is
/// identity(tree) with what else the result depends on (labels, limit). Files of at most 128 MiB of pixels
/// are compared with their checksums whole, larger ones at 128 places of 1 MiB; a file that is damaged is
/// told of and made anew. Without a folder to keep it in, `decode`'s result as it is.
ImageFiles packed_images(const io::Cache& cache, const FileTree& tree, const ImageFilesConfig& config,
                         const std::function<ImageFiles()>& decode);

}  // namespace onestep
