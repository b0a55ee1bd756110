// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace onestep {

/// From now on a mapped file that is shortened by somebody while it is read (SIGBUS) ends the process with
/// one line that names it, and exit code 3. There is no way on: the reader's memory has gone.
void catch_torn_files();

}  // namespace onestep
