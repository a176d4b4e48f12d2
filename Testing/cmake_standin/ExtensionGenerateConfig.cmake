# Slicer's takes what the extension says about itself from these.
foreach(word HOMEPAGE CONTRIBUTORS DESCRIPTION ICONURL SCREENSHOTURLS DEPENDS)
  if(NOT EXTENSION_${word})
    message(FATAL_ERROR "EXTENSION_${word} is not set")
  endif()
  message(STATUS "EXTENSION_${word}=${EXTENSION_${word}}")
endforeach()
