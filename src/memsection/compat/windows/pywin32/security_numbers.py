# SPDX-License-Identifier: MIT
"""The numbers and names of rights, privileges and identifiers that ``ntsecuritycon``,
``win32security`` and ``winnt`` share."""

from memsection import win32 as _w
from memsection.compat.windows.pywin32.more_numbers import NUMBERS as _NUMBERS
from memsection.vocabulary.privileges import PRIVILEGES as _PRIVILEGES
from memsection.win32 import aclapi as _aclapi
from memsection.win32 import winnt as _winnt

#: A privilege whose name is not that of its constant, word for word.
_OTHER_WORDS = {
    "SeAssignPrimaryTokenPrivilege": "SE_ASSIGNPRIMARYTOKEN_NAME",
    "SeProfileSingleProcessPrivilege": "SE_PROF_SINGLE_PROCESS_NAME",
    "SeIncreaseBasePriorityPrivilege": "SE_INC_BASE_PRIORITY_NAME",
    "SeIncreaseWorkingSetPrivilege": "SE_INC_WORKING_SET_NAME",
    "SeTrustedCredManAccessPrivilege": "SE_TRUSTED_CREDMAN_ACCESS_NAME",
}


def _constant(privilege: str) -> str:
    words = "".join(f"_{one}" if one.isupper() else one for one in privilege[2:-9]).upper()
    return _OTHER_WORDS.get(privilege, f"SE{words}_NAME")


globals().update({_constant(privilege): privilege for privilege in _PRIVILEGES})
globals().update(
    {
        name: value
        for module in (_winnt, _aclapi)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, int | str)
    }
)
globals().update(
    {
        name: value
        for name, value in vars(_w).items()
        if name.startswith(("Token", "SidType", "Security")) and isinstance(value, int)
    }
)
globals().update(_NUMBERS)
TokenDefaultDacl, TokenSource, TokenRestrictedSids, TokenSessionId = 6, 7, 11, 12
TokenGroupsAndPrivileges, TokenSessionReference, TokenSandBoxInert, TokenAuditPolicy = range(13, 17)
TokenOrigin, TokenElevationType, TokenLinkedToken = 17, 18, 19
TokenHasRestrictions, TokenAccessInformation, TokenVirtualizationAllowed = 21, 22, 23
TokenVirtualizationEnabled, TokenIntegrityLevel, TokenUIAccess = 24, 25, 26
TokenMandatoryPolicy, TokenLogonSid = 27, 28
SE_PRIVILEGE_ENABLED_BY_DEFAULT, SE_PRIVILEGE_REMOVED = 1, 4
SE_PRIVILEGE_USED_FOR_ACCESS = 0x80000000
PROTECTED_DACL_SECURITY_INFORMATION, PROTECTED_SACL_SECURITY_INFORMATION = 0x80000000, 0x40000000
UNPROTECTED_DACL_SECURITY_INFORMATION = 0x20000000
UNPROTECTED_SACL_SECURITY_INFORMATION = 0x10000000
SYSTEM_ALARM_ACE_TYPE, ACCESS_ALLOWED_COMPOUND_ACE_TYPE = 3, 4
ACCESS_ALLOWED_OBJECT_ACE_TYPE, ACCESS_DENIED_OBJECT_ACE_TYPE = 5, 6
SYSTEM_AUDIT_OBJECT_ACE_TYPE, SYSTEM_ALARM_OBJECT_ACE_TYPE = 7, 8
SE_UNKNOWN_OBJECT_TYPE, SE_FILE_OBJECT, SE_SERVICE, SE_PRINTER = 0, 1, 2, 3
SE_REGISTRY_KEY, SE_LMSHARE, SE_KERNEL_OBJECT, SE_WINDOW_OBJECT = 4, 5, 6, 7
SE_DS_OBJECT, SE_DS_OBJECT_ALL, SE_PROVIDER_DEFINED_OBJECT, SE_WMIGUID_OBJECT = 8, 9, 10, 11
NO_INHERITANCE, SUB_OBJECTS_ONLY_INHERIT, SUB_CONTAINERS_ONLY_INHERIT = 0, 1, 2
SUB_CONTAINERS_AND_OBJECTS_INHERIT, INHERIT_NO_PROPAGATE, INHERIT_ONLY = 3, 4, 8
NOT_USED_ACCESS, GRANT_ACCESS, SET_ACCESS, DENY_ACCESS, REVOKE_ACCESS = 0, 1, 2, 3, 4
SET_AUDIT_SUCCESS, SET_AUDIT_FAILURE = 5, 6
TRUSTEE_IS_SID, TRUSTEE_IS_NAME, TRUSTEE_BAD_FORM = 0, 1, 2
TRUSTEE_IS_UNKNOWN, TRUSTEE_IS_USER, TRUSTEE_IS_GROUP, TRUSTEE_IS_DOMAIN, TRUSTEE_IS_ALIAS = range(
    5
)
TRUSTEE_IS_WELL_KNOWN_GROUP, TRUSTEE_IS_DELETED, TRUSTEE_IS_INVALID, TRUSTEE_IS_COMPUTER = range(
    5, 9
)
TOKEN_QUERY_SOURCE, TOKEN_ADJUST_GROUPS, TOKEN_ADJUST_DEFAULT = 0x10, 0x40, 0x80
TOKEN_ADJUST_SESSIONID = 0x100
WinNullSid, WinWorldSid, WinLocalSid, WinCreatorOwnerSid, WinCreatorGroupSid = range(5)
WinNetworkSid, WinInteractiveSid, WinServiceSid, WinAnonymousSid = 9, 11, 12, 13
WinSelfSid, WinAuthenticatedUserSid, WinRestrictedCodeSid = 16, 17, 18
WinLocalSystemSid, WinLocalServiceSid, WinNetworkServiceSid = 22, 23, 24
WinBuiltinAdministratorsSid, WinBuiltinUsersSid, WinBuiltinGuestsSid = 26, 27, 28
WinBuiltinPowerUsersSid = 29
SECURITY_NULL_SID_AUTHORITY = (0, 0, 0, 0, 0, 0)
SECURITY_WORLD_SID_AUTHORITY = (0, 0, 0, 0, 0, 1)
SECURITY_LOCAL_SID_AUTHORITY = (0, 0, 0, 0, 0, 2)
SECURITY_CREATOR_SID_AUTHORITY = (0, 0, 0, 0, 0, 3)
SECURITY_NT_AUTHORITY = (0, 0, 0, 0, 0, 5)
SECURITY_WORLD_RID, SECURITY_LOCAL_SYSTEM_RID, SECURITY_BUILTIN_DOMAIN_RID = 0, 18, 32
SECURITY_INTERACTIVE_RID, SECURITY_AUTHENTICATED_USER_RID = 4, 11
DOMAIN_ALIAS_RID_ADMINS, DOMAIN_ALIAS_RID_USERS, DOMAIN_ALIAS_RID_GUESTS = 544, 545, 546
DOMAIN_ALIAS_RID_POWER_USERS = 547
DOMAIN_USER_RID_ADMIN, DOMAIN_USER_RID_GUEST = 500, 501
