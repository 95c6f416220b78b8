; The Windows installer, made with Inno Setup 6 from the frozen app:
;   python packaging\windows\make_setup.py 0.1.0
; For one person and without administrator's rights. An update goes over the version before it, and
; an uninstall keeps chats and settings unless the person asks for them to go, too.

#ifndef Version
  #error Say which version this is: /DVersion=..., as minerva_desktop\__init__.py has it
#endif
#ifndef Bundle
  #define Bundle "..\..\build\release\frozen\minerva-desktop"
#endif

; Drawn by scripts\release.py, for the executables, too.
#define Icon "..\..\build\release\icons\minerva.ico"

#define Name "Minerva Desktop"
#define Window "minerva-desktop.exe"
#define Command "minerva.exe"
#define TypeId "MinervaDesktop.gguf"
#define EarlierType "Earlier type of .gguf"
; What minerva_desktop\running_mark.py makes: so long no file of the app may be replaced or deleted.
#define RunningMark "MinervaDesktopRuns"

[Setup]
AppId={{8C0F6A3E-54C1-4B7A-9D0B-6E2C7B8F51D4}
AppName={#Name}
AppVersion={#Version}
AppVerName={#Name} {#Version}
AppPublisher={#Name}
VersionInfoVersion={#Version}
DefaultDirName={autopf}\{#Name}
DefaultGroupName={#Name}
DisableProgramGroupPage=yes
DisableDirPage=auto
; Into the person's own folder of programs; no prompt for a password.
PrivilegesRequired=lowest
PrivilegesRequiredOverridesAllowed=
ArchitecturesAllowed=x64compatible
ArchitecturesInstallIn64BitMode=x64compatible
MinVersion=10.0.17763
LicenseFile=..\..\LICENSE
SetupIconFile={#Icon}
OutputDir=..\..\dist
OutputBaseFilename=minerva-desktop-{#Version}-windows-x64-setup
Compression=lzma2/max
SolidCompression=yes
WizardStyle=modern
ChangesAssociations=yes
ChangesEnvironment=yes
AppMutex={#RunningMark}
CloseApplications=yes
RestartApplications=no
UninstallDisplayName={#Name}
UninstallDisplayIcon={app}\{#Window}
#ifdef Sign
; What make_setup.py gives with /S.
SignTool=minerva
SignedUninstaller=yes
#endif

[Tasks]
Name: "desktopicon"; Description: "{cm:CreateDesktopIcon}"; GroupDescription: "{cm:AdditionalIcons}"; Flags: unchecked
Name: "association"; Description: "Open .gguf files with {#Name}"
Name: "path"; Description: "Let terminals find the command minerva (adds the app's folder to PATH)"; Flags: unchecked

[InstallDelete]
; What the version before had and this one has not must not be imported.
Type: filesandordirs; Name: "{app}\_internal"

[Files]
Source: "{#Bundle}\*"; DestDir: "{app}"; Flags: ignoreversion recursesubdirs createallsubdirs

[Icons]
Name: "{group}\{#Name}"; Filename: "{app}\{#Window}"
Name: "{autodesktop}\{#Name}"; Filename: "{app}\{#Window}"; Tasks: desktopicon

[Registry]
; "Open with" knows the app in any case; the task makes it the one that a double click opens. What
; opened these files before is kept, and gets them back: see GiveTypeBack below.
Root: HKA; Subkey: "Software\Classes\{#TypeId}"; ValueType: string; ValueData: "Language model (GGUF)"; Flags: uninsdeletekey
Root: HKA; Subkey: "Software\Classes\{#TypeId}\DefaultIcon"; ValueType: string; ValueData: "{app}\{#Window},0"
Root: HKA; Subkey: "Software\Classes\{#TypeId}\shell\open\command"; ValueType: string; ValueData: """{app}\{#Window}"" ""%1"""
Root: HKA; Subkey: "Software\Classes\.gguf"; Flags: uninsdeletekeyifempty
Root: HKA; Subkey: "Software\Classes\.gguf\OpenWithProgids"; ValueType: string; ValueName: "{#TypeId}"; ValueData: ""; Flags: uninsdeletevalue uninsdeletekeyifempty
Root: HKA; Subkey: "Software\Classes\.gguf"; ValueType: string; ValueData: "{#TypeId}"; Tasks: association; BeforeInstall: KeepEarlierType
Root: HKA; Subkey: "Software\Classes\Applications\{#Window}\SupportedTypes"; ValueType: string; ValueName: ".gguf"; ValueData: ""
Root: HKA; Subkey: "Software\Classes\Applications\{#Window}"; Flags: uninsdeletekey
; So that "minerva-desktop" can be started by its name.
Root: HKA; Subkey: "Software\Microsoft\Windows\CurrentVersion\App Paths\{#Window}"; ValueType: string; ValueData: "{app}\{#Window}"; Flags: uninsdeletekey
Root: HKA; Subkey: "Software\Microsoft\Windows\CurrentVersion\App Paths\{#Command}"; ValueType: string; ValueData: "{app}\{#Command}"; Flags: uninsdeletekey

; The uninstaller takes out its own part only, see below.
Root: HKCU; Subkey: "Environment"; ValueType: expandsz; ValueName: "Path"; ValueData: "{code:PathWithApp}"; Tasks: path; Check: not IsOnPath

[Run]
Filename: "{app}\{#Window}"; Description: "{cm:LaunchProgram,{#Name}}"; Flags: nowait postinstall skipifsilent

[UninstallDelete]
Type: filesandordirs; Name: "{app}\_internal"

[Code]
{ Where `minerva_desktop.paths` keeps chats, settings and logs on Windows. }
function DataFolder: String;
begin
  Result := ExpandConstant('{localappdata}\{#Name}');
end;

{ Where the app's folder begins in the person's PATH; 0 where it is not in there. }
function PlaceOnPath(const Path: String): Integer;
begin
  Result := Pos(';' + Uppercase(ExpandConstant('{app}')) + ';', ';' + Uppercase(Path) + ';');
end;

function IsOnPath: Boolean;
var
  Path: String;
begin
  Result := RegQueryStringValue(HKCU, 'Environment', 'Path', Path) and (PlaceOnPath(Path) > 0);
end;

{ The person's PATH, which may not be there or end with a semicolon, and the app's folder. }
function PathWithApp(Param: String): String;
begin
  if not RegQueryStringValue(HKCU, 'Environment', 'Path', Result) then
    Result := '';
  if (Result <> '') and (Result[Length(Result)] <> ';') then
    Result := Result + ';';
  Result := Result + ExpandConstant('{app}');
end;

{ Beside the app's own type, which goes with the app. An update finds the app's own there. }
procedure KeepEarlierType;
var
  Earlier: String;
begin
  if RegQueryStringValue(HKA, 'Software\Classes\.gguf', '', Earlier) then
    if (Earlier <> '') and (Earlier <> '{#TypeId}') then
      RegWriteStringValue(HKA, 'Software\Classes\{#TypeId}', '{#EarlierType}', Earlier);
end;

{ Unless another program has taken the files since: then they are its. }
procedure GiveTypeBack;
var
  Current, Earlier: String;
begin
  if not RegQueryStringValue(HKA, 'Software\Classes\.gguf', '', Current) then
    Exit;
  if Current <> '{#TypeId}' then
    Exit;
  if RegQueryStringValue(HKA, 'Software\Classes\{#TypeId}', '{#EarlierType}', Earlier) then
    RegWriteStringValue(HKA, 'Software\Classes\.gguf', '', Earlier)
  else
    RegDeleteValue(HKA, 'Software\Classes\.gguf', '');
end;

procedure TakeOffPath;
var
  Path: String;
  Place: Integer;
begin
  if not RegQueryStringValue(HKCU, 'Environment', 'Path', Path) then
    Exit;
  Place := PlaceOnPath(Path);
  if Place = 0 then
    Exit;
  Delete(Path, Place, Length(ExpandConstant('{app}')) + 1);
  { It was the last one: the semicolon before it goes, too. }
  if (Place > 1) and (Place > Length(Path)) then
    Delete(Path, Place - 1, 1);
  if Path = '' then
    RegDeleteValue(HKCU, 'Environment', 'Path')
  else
    RegWriteExpandStringValue(HKCU, 'Environment', 'Path', Path);
end;

var
  AddedBackends: TStringList;

{ What a person may have added to the engine: ggml-vulkan.dll. }
procedure FindBackends(const Folder: String);
var
  Found: TFindRec;
begin
  AddedBackends := TStringList.Create;
  if not FindFirst(Folder + '\ggml-*.dll', Found) then
    Exit;
  try
    repeat
      if (Pos('ggml-cpu', Lowercase(Found.Name)) <> 1) and (Lowercase(Found.Name) <> 'ggml-base.dll') then
        AddedBackends.Add(Found.Name);
    until not FindNext(Found);
  finally
    FindClose(Found);
  end;
end;

procedure TellOfRemovedBackends(const Folder: String);
var
  Index: Integer;
  Removed: String;
begin
  for Index := 0 to AddedBackends.Count - 1 do
    if not FileExists(Folder + '\' + AddedBackends[Index]) then
      Removed := Removed + ' ' + AddedBackends[Index];
  if Removed <> '' then
    SuppressibleMsgBox('Removed with the version before:' + Removed + #13#10#13#10 +
      'Put what fits the llama.cpp of this version into' + #13#10 + Folder, mbInformation, MB_OK, IDOK);
end;

procedure CurStepChanged(CurStep: TSetupStep);
var
  Folder: String;
begin
  Folder := ExpandConstant('{app}\_internal\llama_cpp\lib');
  if CurStep = ssInstall then
    FindBackends(Folder)
  else if CurStep = ssPostInstall then
    TellOfRemovedBackends(Folder);
end;

procedure CurUninstallStepChanged(CurUninstallStep: TUninstallStep);
begin
  if CurUninstallStep = usUninstall then
  begin
    TakeOffPath;
    GiveTypeBack;
  end;
  if (CurUninstallStep <> usPostUninstall) or UninstallSilent then
    Exit;
  if not DirExists(DataFolder) then
    Exit;
  if MsgBox('Delete your chats, settings and logs, too?' + #13#10#13#10 + DataFolder + #13#10#13#10 +
    'They cannot be brought back. Models that you added stay where they are.',
    mbConfirmation, MB_YESNO or MB_DEFBUTTON2) = IDYES then
    DelTree(DataFolder, True, True, True);
end;
