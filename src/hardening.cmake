# SPDX-License-Identifier: MIT
# Hardening of what ships: each flag is used where compiler and linker have it. tests/check/hardening looks at the result.
include(CheckCCompilerFlag)
include(CheckCSourceCompiles)
include(CheckLinkerFlag)
include(CheckPIESupported)

string(MAKE_C_IDENTIFIER "${CMAKE_BUILD_TYPE}" build_type)
set(harden_default OFF)
if(build_type MATCHES "^(Release|RelWithDebInfo|MinSizeRel)$" AND NOT LW_SANITIZE)
	set(harden_default ON)
endif()
option(LW_HARDEN "Build with the hardening flags" ${harden_default})

if(NOT LW_HARDEN)
	return()
endif()

check_pie_supported()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

# Sources fortified at level 3 know the size of what malloc returned; older compilers stop at 2. Both need optimisation.
set(CMAKE_REQUIRED_FLAGS "-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3")
check_c_source_compiles("
	#include <features.h>
	#if __USE_FORTIFY_LEVEL < 3
	#error
	#endif
	int main(void) { return 0; }" LW_HAVE_FORTIFY_3)
unset(CMAKE_REQUIRED_FLAGS)
target_compile_options(lw_flags INTERFACE
	-O2 -Werror=format-security -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$<IF:$<BOOL:${LW_HAVE_FORTIFY_3}>,3,2>)

# Branch protection has a name on each architecture; clang says yes to the other's and then warns in every file.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
	set(branch_protection -mbranch-protection=standard)
else()
	set(branch_protection -fcf-protection=full)
endif()
foreach(flag -fstack-protector-strong -fstack-clash-protection ${branch_protection}
	     -ftrivial-auto-var-init=zero)
	string(MAKE_C_IDENTIFIER "LW_HAVE${flag}" have)
	check_c_compiler_flag(${flag} ${have})
	if(${have})
		target_compile_options(lw_flags INTERFACE ${flag})
	endif()
endforeach()

foreach(flag -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed)
	string(MAKE_C_IDENTIFIER "LW_HAVE${flag}" have)
	check_linker_flag(C ${flag} ${have})
	if(${have})
		target_link_options(lw_flags INTERFACE ${flag})
	endif()
endforeach()
