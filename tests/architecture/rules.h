// SPDX-License-Identifier: Apache-2.0
// The rules of the code base as functions from sources to complaints, one line each; no complaint, no text.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "source_tree.h"

using Complaints = std::vector<std::string>;

/// A folder includes itself and folders before it in `layers`; `kernels` stands alone and may be used by
/// those after io; apps use all. Quoted includes name their folder.
Complaints check_layers(const Source& source, const std::vector<std::string>& layers);

/// The same for the onestep:: targets that a folder's CMakeLists.txt links; `owners` maps target to folder.
Complaints check_links(const Source& source, const std::vector<std::string>& layers,
                       const std::map<std::string, std::string>& owners);

/// Target -> folder, from the onestep_library(NAME ...) calls of the tree.
std::map<std::string, std::string> target_owners(const std::map<std::string, Source>& tree);

/// Third-party headers stay in the folders that own them, and the slow ones of LibTorch are used nowhere.
Complaints check_third_party(const Source& source);

/// spdlog and LibTorch bring different versions of fmt: no .cpp may reach both, directly or through our
/// headers.
Complaints check_spdlog(const Source& source, const std::map<std::string, Source>& tree);

/// The licence line comes first, or second after a #! line.
Complaints check_licence(const Source& source);

/// At most 600 lines.
Complaints check_length(const Source& source);

/// No `using namespace` in headers.
Complaints check_namespaces(const Source& source);
