# SPDX-License-Identifier: Apache-2.0
# The three small OpenCV libraries that image files need; Debian's packages of them carry no OpenCVConfig.cmake.
find_path(OPENCV_INCLUDE opencv2/core.hpp PATH_SUFFIXES opencv4)
foreach(_module core imgproc imgcodecs)
  find_library(OPENCV_${_module} opencv_${_module})
endforeach()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OpenCVImage REQUIRED_VARS
  OPENCV_INCLUDE OPENCV_core OPENCV_imgproc OPENCV_imgcodecs)
if(OpenCVImage_FOUND)
  add_library(OpenCV::image INTERFACE IMPORTED)
  target_include_directories(OpenCV::image SYSTEM INTERFACE ${OPENCV_INCLUDE})
  target_link_libraries(OpenCV::image INTERFACE ${OPENCV_imgcodecs} ${OPENCV_imgproc} ${OPENCV_core})
endif()
