# SPDX-License-Identifier: Apache-2.0
# LibTorch from the PyTorch wheel, without its own CMake package (which demands a CUDA toolkit).
# LIBTORCH_ROOT is the wheel's `torch` folder; scripts/setup.sh puts one under the cache.
# Targets: LibTorch::cpu, and LibTorch::cuda where the wheel has it.
set(_cache "$ENV{ONESTEP_CACHE}")
if(NOT _cache)
  set(_cache "$ENV{XDG_CACHE_HOME}")
  if(NOT _cache)
    set(_cache "$ENV{HOME}/.cache")
  endif()
  string(APPEND _cache "/onestep")
endif()
set(LIBTORCH_ROOT "$ENV{LIBTORCH_ROOT}" CACHE PATH "the wheel's torch folder (has include/ and lib/)")
if(NOT LIBTORCH_ROOT)
  file(GLOB _roots "${_cache}/libtorch-*/torch")
  list(SORT _roots COMPARE NATURAL ORDER DESCENDING)
  list(GET _roots 0 _root)
  set(LIBTORCH_ROOT "${_root}" CACHE PATH "" FORCE)
endif()

foreach(_lib c10 torch_cpu torch_cuda)
  unset(LIBTORCH_${_lib} CACHE)  # LIBTORCH_ROOT may be another than last time
  find_library(LIBTORCH_${_lib} ${_lib} HINTS ${LIBTORCH_ROOT}/lib NO_DEFAULT_PATH)
endforeach()
set(_version_header ${LIBTORCH_ROOT}/include/torch/headeronly/version.h)
if(EXISTS ${_version_header})
  file(STRINGS ${_version_header} _version REGEX "TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
  string(REGEX REPLACE "[^0-9;]" "" _version "${_version}")
  string(REPLACE ";" "." LibTorch_VERSION "${_version}")
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LIBTORCH_torch_cpu LIBTORCH_c10 VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "run scripts/setup.sh, or set LIBTORCH_ROOT to a wheel's torch folder")

find_package(Threads REQUIRED)
get_filename_component(_site ${LIBTORCH_ROOT} DIRECTORY)
file(GLOB _nvidia ${_site}/nvidia/*/lib)
set(LIBTORCH_RPATH ${LIBTORCH_ROOT}/lib ${_nvidia} /usr/local/cuda/lib64)
list(JOIN LIBTORCH_RPATH : _rpath)
set(_rpath_options -rpath-link,${_rpath})
if(NOT ONESTEP_RELOCATABLE)
  string(PREPEND _rpath_options -rpath,${_rpath},)
endif()

add_library(LibTorch::cpu INTERFACE IMPORTED)
target_include_directories(LibTorch::cpu SYSTEM INTERFACE
  ${LIBTORCH_ROOT}/include ${LIBTORCH_ROOT}/include/torch/csrc/api/include)
target_compile_options(LibTorch::cpu INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
target_link_libraries(LibTorch::cpu INTERFACE
  ${LIBTORCH_torch_cpu} ${LIBTORCH_c10} ${LIBTORCH_ROOT}/lib/libgomp.so.1 Threads::Threads)
# First on every link line: OpenCV drags in a reference BLAS, which would shadow LibTorch's own.
target_link_options(LibTorch::cpu INTERFACE
  "SHELL:-Wl,--push-state,--no-as-needed ${LIBTORCH_torch_cpu} -Wl,--pop-state"
  -Wl,--disable-new-dtags,${_rpath_options},--allow-shlib-undefined)
if(LIBTORCH_torch_cuda)
  add_library(LibTorch::cuda INTERFACE IMPORTED)
  target_link_libraries(LibTorch::cuda INTERFACE
    LibTorch::cpu -Wl,--push-state,--no-as-needed ${LIBTORCH_torch_cuda} -Wl,--pop-state)
endif()
