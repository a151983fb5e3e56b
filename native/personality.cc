// Lets unwinders other than the one linked in here pass through this library.
//
// CPython before 3.14 ends a thread that asks for the GIL while the program exits with
// pthread_exit(), and glibc then unwinds the thread's stack with libgcc_s. For each frame of this
// library that asks the library's own personality routine, which would read libgcc_s's context as
// if it were LLVM's, and crash. Such frames are passed over instead: no destructor runs and no
// `catch (...)` holds the thread up.
//
// The linker puts this routine before the real one (--wrap).
#include <unwind.h>

#include <cstdint>

// libc++abi's exceptions, thrown by this library alone: "CLNGC++" and a last byte of its own.
static bool IsOurs(uint64_t exception_class) {
  return (exception_class & ~uint64_t{0xFF}) == 0x434C4E47432B2B00;
}

#ifdef __ARM_EABI__

#include <dlfcn.h>

// On 32-bit Arm it is the personality routine that restores the caller's registers, so libgcc_s has
// to do that for its own context.
extern "C" {

_Unwind_Reason_Code __real___gxx_personality_v0(_Unwind_State, _Unwind_Exception*,
                                                _Unwind_Context*);

_Unwind_Reason_Code __wrap___gxx_personality_v0(_Unwind_State state, _Unwind_Exception* exception,
                                                _Unwind_Context* context) {
  if (IsOurs(exception->exception_class)) {
    return __real___gxx_personality_v0(state, exception, context);
  }
  using Restore = _Unwind_Reason_Code (*)(_Unwind_Exception*, _Unwind_Context*);
  static const auto restore = [] {
    void* libgcc = dlopen("libgcc_s.so.1", RTLD_LAZY | RTLD_NOLOAD);
    return reinterpret_cast<Restore>(libgcc ? dlsym(libgcc, "__gnu_unwind_frame") : nullptr);
  }();
  const bool restored = restore && restore(exception, context) == _URC_OK;
  return restored ? _URC_CONTINUE_UNWIND : _URC_FAILURE;
}

}  // extern "C"

#else

extern "C" {

_Unwind_Reason_Code __real___gxx_personality_v0(int, _Unwind_Action, uint64_t, _Unwind_Exception*,
                                                _Unwind_Context*);

_Unwind_Reason_Code __wrap___gxx_personality_v0(int version, _Unwind_Action actions,
                                                uint64_t exception_class,
                                                _Unwind_Exception* exception,
                                                _Unwind_Context* context) {
  if (!IsOurs(exception_class)) return _URC_CONTINUE_UNWIND;
  return __real___gxx_personality_v0(version, actions, exception_class, exception, context);
}

}  // extern "C"

#endif
