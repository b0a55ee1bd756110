// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "data/image_labels.h"

namespace onestep {

/// Classes of images that lie in folders, where no dataset.json says otherwise, by the rule of EDM's tool and
/// of onestep-data: each folder at the top is a class with all that lies below it, numbered in the order of
/// their names' bytes. Folders that hold everything do not count. Nothing where all images lie in one folder,
/// where all folders are named by five digits, which is how EDM's data sets are cut into thousands, and where
/// an image lies beside them.
std::optional<ImageLabels> folder_classes(const std::vector<std::string>& images);

/// For each image the folder that would be its class; "": it lies beside such folders, or there are none.
std::vector<std::string> top_folders(const std::vector<std::string>& images);

}  // namespace onestep
