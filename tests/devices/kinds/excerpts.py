"""Short excerpts of what real devices print, with where each was found.

Where no address is given, they were found by a search over public repositories, whose tests and
documents quote what their authors' devices printed. What was put together for a test says so.
"""

from __future__ import annotations

# Samsung A52 5G, Android 12: android.stackexchange.com/questions/246774.
THERMAL_SAMSUNG_12 = """\
IsStatusOverride: false
ThermalEventListeners:
	callbacks: 1
	killed: false
	broadcasts count: -1
ThermalStatusListeners:
	callbacks: 4
	killed: false
	broadcasts count: -1
Thermal Status: 0
Cached temperatures:
	Temperature{mValue=0.0, mType=2, mName=SUBBAT, mStatus=0}
	Temperature{mValue=25.6, mType=0, mName=AP, mStatus=0}
	Temperature{mValue=25.7, mType=5, mName=PA, mStatus=0}
	Temperature{mValue=0.0, mType=4, mName=USB, mStatus=0}
HAL Ready: true
HAL connection:
	ThermalHAL 2.0 connected: yes
Current temperatures from HAL:
	Temperature{mValue=25.6, mType=0, mName=AP, mStatus=0}
	Temperature{mValue=23.8, mType=2, mName=BAT, mStatus=0}
	Temperature{mValue=24.7, mType=3, mName=LRB, mStatus=0}
	Temperature{mValue=0.0, mType=4, mName=USB, mStatus=0}
Current cooling devices from HAL:
Temperature static thresholds from HAL:
"""

# Nvidia Shield TV Pro 2019: github.com/bryanroscoe/shield_optimizer, issue 6, which quotes what is
# cached, 37 °C, and tells of the 66.5 °C that the HAL says; those lines were put together.
THERMAL_SHIELD = """\
IsStatusOverride: false
ThermalEventListeners:
        callbacks: 1
Thermal Status: 0
Cached temperatures:
        Temperature{mValue=36.0, mType=1, mName=GPU, mStatus=0}
        Temperature{mValue=37.0, mType=0, mName=CPU0, mStatus=0}
HAL Ready: true
HAL connection:
        ThermalHAL 1.0 connected: yes
Current temperatures from HAL:
        Temperature{mValue=66.5, mType=0, mName=CPU0, mStatus=0}
        Temperature{mValue=66.0, mType=0, mName=CPU1, mStatus=0}
        Temperature{mValue=63.0, mType=1, mName=GPU, mStatus=0}
Current cooling devices from HAL:
"""

# POCO 2412DPC0AG (Xiaomi), HyperOS, Android 16; the sensor of the whole chip is of a type of its
# own.
THERMAL_POCO_16 = """\
IsStatusOverride: false
Thermal Status: 0
Cached temperatures:
	Temperature{mValue=58.44, mType=0, mName=CPU, mStatus=0}
	Temperature{mValue=29.8, mType=2, mName=BATTERY, mStatus=0}
HAL Ready: true
Current temperatures from HAL:
	Temperature{mValue=44.181, mType=0, mName=CPU, mStatus=0}
	Temperature{mValue=44.9, mType=1, mName=GPU, mStatus=0}
	Temperature{mValue=35.4, mType=2, mName=BATTERY, mStatus=0}
	Temperature{mValue=35.1, mType=3, mName=SKIN, mStatus=0}
	Temperature{mValue=46.2, mType=13, mName=SOC, mStatus=0}
Current cooling devices from HAL:
	CoolingDevice{mValue=0, mType=2, mName=cpu0}
"""

# Put together: names, sensors without a value and those of no type as Pixels have them, and the
# states of a throttled phone.
THERMAL_PIXEL_THROTTLED = """\
IsStatusOverride: false
Thermal Status: 2
Cached temperatures:
HAL Ready: true
HAL connection:
	ThermalHAL AIDL 1  connected: yes
Current temperatures from HAL:
	Temperature{mValue=84.2, mType=0, mName=BIG, mStatus=3}
	Temperature{mValue=62.895, mType=0, mName=MID, mStatus=0}
	Temperature{mValue=40.6, mType=3, mName=VIRTUAL-SKIN, mStatus=2}
	Temperature{mValue=NaN, mType=-1, mName=disp_therm, mStatus=0}
	Temperature{mValue=-5700.0, mType=-1, mName=virtual, mStatus=0}
Current cooling devices from HAL:
	CoolingDevice{mValue=3, mType=2, mName=thermal-cpufreq-2}
Temperature static thresholds from HAL:
	TemperatureThreshold{mType=3, mName=VIRTUAL-SKIN, mHotThrottlingThresholds=[NaN, 39.0]}
"""

# A HAL that is not ready, as on a Galaxy Tab S6 Lite: put together after
# github.com/MaheshSharan/FrameX-Android, issues 19 and 46.
THERMAL_NOT_READY = """\
IsStatusOverride: false
Thermal Status: 0
Cached temperatures:
HAL Ready: false
"""

# Android 9 has no such service: what dumpsys says then (AOSP, frameworks/native, dumpsys.cpp).
THERMAL_MISSING = "Can't find service: thermalservice\n"

# Samsung, 2018 (Android 8): gh0st.tistory.com/6; the vendor's own lines repeat a name.
BATTERY_SAMSUNG = """\
Current Battery Service state:
  mBootCompleted: true
  AC powered: false
  USB powered: true
  Wireless powered: false
  Max charging current: 0
  status: 2
  health: 2
  present: true
  level: 84
  scale: 100
  voltage: 4063
  temperature: 326
  technology: Li-ion
  batterySWSelfDischarging: false
  LED Charging: true
  current now: 321
  charge counter: 0
USE_FAKE_BATTERY: false
BatteryInfoBackUp
  mSavedBatteryMaxTemp: 490
"""

# Honor ALT-NX1, Android 14.
BATTERY_HONOR = """\
Current Battery Service state:
  AC powered: false
  USB powered: false
  Wireless powered: false
  Dock powered: false
  Charge counter: 2848000
  status: 3
  health: 2
  present: true
  level: 54
  scale: 100
  voltage: 3906
  temperature: 220
  technology: Li-ion
  Charging state: 0
  Charging policy: 0
"""

# vivo V2026, Android 11.
PROPERTIES_VIVO = """\
[ro.product.brand]: [vivo]
[ro.product.manufacturer]: [vivo]
[ro.product.model]: [V2026]
[ro.hardware]: [qcom]
[ro.soc.manufacturer]: [Qualcomm]
[ro.soc.model]: [SM8250]
[ro.board.platform]: [kona]
[ro.build.version.release]: [11]
[ro.build.version.sdk]: [30]
[ro.product.cpu.abi]: [arm64-v8a]
"""

# Nexus 5, Android 5.1: github.com/flutter/flutter, issue 4009.
PROPERTIES_NEXUS = """\
[ro.board.platform]: [msm8974]
[ro.build.fingerprint]: [google/hammerhead/hammerhead:5.1/LMY06B/1666863:userdebug/dev-keys]
[ro.build.version.release]: [5.1]
[ro.build.version.sdk]: [22]
[ro.hardware]: [hammerhead]
[ro.product.cpu.abi]: [armeabi-v7a]
[ro.product.manufacturer]: [LGE]
[ro.product.model]: [Nexus 5]
"""

# Galaxy S24 Ultra (Exynos): maker and chip by properties of the vendor's own.
PROPERTIES_GALAXY = """\
[ro.board.platform]: [exynos2400]
[ro.build.version.release]: [14]
[ro.build.version.sdk]: [34]
[ro.hardware]: [samsungexynos2400]
[ro.product.manufacturer]: [Samsung]
[ro.product.model]: [SM-S928B]
"""

# Pixel 6: parts and highest frequencies of its cores.
PIXEL_6_CPUINFO = "".join(
    f"processor\t: {core}\nCPU implementer\t: 0x41\nCPU part\t: {part}\n"
    for core, part in enumerate(["0xd05"] * 4 + ["0xd41"] * 2 + ["0xd44"] * 2)
)
PIXEL_6_TOP_KHZ = [1803000] * 4 + [2350000] * 2 + [2850000] * 2

# Snapdragon 888: parts of its cores in the order that github.com has in a test of a Go program.
SNAPDRAGON_888_CPUINFO = "".join(
    f"processor\t: {core}\nCPU part\t: {part}\n"
    for core, part in enumerate(["0xd44", "0xd41", *["0xd05"] * 4, "0xd41", "0xd41"])
)

# Pi 3B+: github.com/ebaauw/homebridge-rpi, wiki "Hardware Monitoring".
PI_3 = {
    "vc_throttled": "throttled=0x0\n",
    "vc_clock": "frequency(45)=1400000000\n",
    "vc_temp": "temp=55.8'C\n",
}
# Pi 4: put together; the same clock has another number there (github.com/librenms/librenms-agent,
# issue 324).
PI_4 = {
    "vc_throttled": "throttled=0x50005\n",
    "vc_clock": "frequency(48)=600169920\n",
    "vc_temp": "temp=61.0'C\n",
}
# Pi 5: put together; the form of its clocks and its version as in github.com/raspberrypi/linux,
# issue 7348.
PI_5 = {
    "vc_throttled": "throttled=0xe0000\n",
    "vc_clock": "frequency(0)=2400033792\n",
    "vc_temp": "temp=49.9'C\n",
}
PI_5_ABOUT = {
    "vc_config": "arm_freq=2400\nover_voltage=0\n",
    "vc_version": "2026/04/14 22:20:24 \nCopyright (c) 2012 Broadcom\n"
    "version 9cd61c53 (release) (embedded)\n",
}
# github.com/MichaIng/DietPi, issue 5970, and github.com/raspberrypi/utils, issue 52.
PI_REFUSES = (
    "VCHI initialization failed\n",
    "Can't open device file: /dev/vcio\nTry creating a device file with: sudo mknod …\n",
)

# Drivers 470, 535 and 570: values that such boards print, put into the order of our query; what a
# board does not have is [N/A], and was [Not Supported] before.
NVIDIA_ABOUT_470 = "0, 470.256.02, 22731, Enabled, [N/A], 1710, 300.00, NVIDIA A10G\n"
NVIDIA_ABOUT_535 = (
    "0, 535.104.05, 81920, Enabled, Disabled, 1410, 400.00, NVIDIA A100-SXM4-80GB\n"
    "1, 535.104.05, 81920, Enabled, Disabled, 1410, 400.00, NVIDIA A100-SXM4-80GB\n"
)
NVIDIA_ABOUT_570 = "0, 570.86.10, 24564, Disabled, [N/A], 3105, 450.00, NVIDIA GeForce RTX 4090\n"
NVIDIA_IDLE = "0, GPU-abc, 33, 210, 63.49, 0, Enabled, 0x0000000000000001\n"
NVIDIA_HOT = "0, GPU-abc, 87, 1275, 299.12, 0, Disabled, 0x0000000000000024\n"
# A laptop's board: github.com/plambe/zabbix-nvidia-smi-multi-gpu, issue 17 (much is [N/A]).
NVIDIA_LAPTOP = "0, GPU-8fe3a97d-51f6, 54, [N/A], [N/A], [N/A], [N/A], [N/A]\n"
# github.com/NVIDIA/nvidia-docker, issue 1483.
NVIDIA_PROCESSES = (
    "GPU-abc, 40170, /opt/rh/rh-python38/root/usr/bin/python3\n"
    "GPU-def, 512, ./train, two\n"
    "GPU-abc, 811, [Not Found]\n"
)
# What the first query says where the driver is older; then comes the answer to the second.
NVIDIA_UNKNOWN_FIELD = 'Field "clocks_event_reasons.active" is not a valid field to query.\n\n'
NVIDIA_FAILED = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that "
    "the latest NVIDIA driver is installed and running.\n\n"
)
NVIDIA_NONE = "No devices were found\n"
